"""How many of the keys (company, date, total) of real receipts OCR finds, and what a page costs.

    python bench/ocr_receipts.py [FOLDER]

FOLDER holds `<name>/input/<image>` and `<name>/expected.json`, by default ../shared/data/receipts/examples.
A key counts where its characters stand in the text one after the other; blanks and case are not
compared, because the truth writes "TAMAN DAYA , 81100" where the print has no blank.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from assay.documents import Parser

KEYS = ("company", "date", "total")


async def main(folder: Path) -> None:
    parser = Parser(native_children=1, ocr_children=1)
    found = dict.fromkeys(KEYS, 0)
    seconds: list[float] = []
    missed: list[str] = []
    examples = sorted(folder.iterdir())
    for example in examples:
        (image,) = (example / "input").iterdir()
        expected = json.loads((example / "expected.json").read_text())
        start = time.perf_counter()
        document = await parser.parse(image, filename=image.name)
        seconds.append(time.perf_counter() - start)
        for key in KEYS:
            if _squeezed(expected[key]) in _squeezed(document.text):
                found[key] += 1
            else:
                missed.append(f"{example.name}: {key} {expected[key]!r}")
    await parser.close()
    total = sum(found.values())
    print(f"keys found   {total} of {len(examples) * len(KEYS)} ({total / len(examples) / len(KEYS):.1%})")
    for key, count in found.items():
        print(f"  {key:<10} {count} of {len(examples)}")
    warm = sorted(seconds[1:])
    print(f"s/page       median {warm[len(warm) // 2]:.2f}, first with loading {seconds[0]:.2f}")
    print("missed\n  " + "\n  ".join(missed))


def _squeezed(text: str) -> str:
    return "".join(text.split()).lower()


if __name__ == "__main__":
    default = Path(__file__).parents[2] / "shared" / "data" / "receipts" / "examples"
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else default))
