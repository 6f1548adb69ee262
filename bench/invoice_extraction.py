"""How many fields of real invoices come out right without a model, from the XML and from the pages alone.

    python bench/invoice_extraction.py [FOLDER]

FOLDER holds `<name>/input/<document>` and `<name>/expected.json`, by default ../shared/data/invoices/examples. The
pages are read by the fields of examples/invoice-extraction. The same is counted on invoices that the demo makes, with
scans and partial payments. The labels were chosen looking at both, so expect less of other documents; the example's
README says how much less the demo's had before that.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from tests.fakes.step_context import FakeStepContext

from assay import documents
from assay.cli.demo_documents import make_invoices
from assay.steps import LocalFile, Step
from assay.steps.builtin.ai_parse import AiParse
from assay.steps.builtin.document_einvoice import DocumentEinvoice
from assay.steps.builtin.extract_layout import ExtractLayout

ROOT = Path(__file__).parents[1]
CODES = {"€": "EUR", "£": "GBP", "$": "USD"}
Example = tuple[Path, Mapping[str, Any]]


async def main(folder: Path) -> None:
    parser = documents.Parser(native_children=1, ocr_children=1)
    with tempfile.TemporaryDirectory() as made:
        real = [(_only(example / "input"), _json(example / "expected.json")) for example in sorted(folder.iterdir())]
        demo = [(invoice.path, invoice.truth) for invoice in make_invoices(Path(made), seed=20260301)]
        await _report("document.einvoice", real, parser, _from_xml)
        await _report("extract.layout, XML not looked at", real, parser, _from_pages)
        await _report("extract.layout, invoices of the demo", demo, parser, _from_pages)
    await parser.close()


async def _report(title: str, examples: Sequence[Example], parser: documents.Parser, extract: Any) -> None:
    missed: list[str] = []
    right: dict[str, int] = {}
    start = time.perf_counter()
    for path, expected in examples:
        found = await extract(path, FakeStepContext(document_parser=parser))
        for name in expected.keys() & found.keys():
            right[name] = right.get(name, 0) + (found[name] == expected[name])
            if found[name] != expected[name]:
                missed.append(f"  {path.stem}: {name} is {expected[name]!r}, found {found[name]!r}")
    seconds = time.perf_counter() - start
    print(f"{title}: {len(examples)} documents, {seconds / len(examples) * 1000:.0f} ms each")
    for name, count in sorted(right.items()):
        print(f"  {name:<16} {count} of {len(examples)}")
    print("\n".join(["missed", *sorted(missed)]) if missed else "nothing missed", end="\n\n")


async def _from_xml(path: Path, context: FakeStepContext) -> Any:
    return await _run(DocumentEinvoice, {"input": context.add_file(path, "application/octet-stream")}, context)


async def _from_pages(path: Path, context: FakeStepContext) -> Any:
    parsed = await _run(AiParse, {"input": context.add_file(path, "application/octet-stream")}, context)
    with tempfile.NamedTemporaryFile() as words:
        content = context.artifacts[parsed["words"]["$file"]]
        words.write(content)
        words.flush()
        context.files[parsed["words"]["$file"]] = LocalFile(
            Path(words.name), "words.json", "application/json", len(content)
        )
        found = await _run(ExtractLayout, {"input": parsed, "fields": _fields()}, context)
    return {**found, "currency": CODES.get(found["currency"], found["currency"])}


async def _run(step_type: type[Step], config: Mapping[str, Any], context: FakeStepContext) -> Any:
    return await step_type.model_validate(config).run(context)


def _fields() -> Any:
    workflow = YAML(typ="safe").load(ROOT / "examples" / "invoice-extraction" / "workflow.yaml")
    (invoice,) = (step for step in workflow["steps"] if step["name"] == "invoice")
    (fields,) = (step for step in invoice["else"] if step["type"] == "extract.layout")
    return fields["with"]["fields"]


def _only(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


if __name__ == "__main__":
    default = ROOT.parent / "shared" / "data" / "invoices" / "examples"
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else default))
