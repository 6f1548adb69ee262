"""`exact-diff`: compares the output with the expected one field by field, and files by their content."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from math import fsum
from typing import ClassVar, Final

from pydantic import Field, JsonValue, StrictBool
from typing_extensions import override

from assay.evaluators.base import Evaluator, Grade, GradingContext, Subject
from assay.evaluators.comparison_rules import (
    Path,
    Place,
    Rule,
    Tolerance,
    Weight,
    compile_classic,
    compile_rules,
    parse_path,
    path_problems,
    rule_problems,
)
from assay.evaluators.golden_files import GoldenFile, compare_files, golden_files
from assay.evaluators.json_difference import Difference, LongComparisonError, difference
from assay.evaluators.mismatch import first_mismatches

# A few milliseconds: what nobody else on the event loop notices.
_STEPS_ON_THE_LOOP: Final = 2_000
_CLASSIC: Final = ("numericTolerance", "allowExtraFields", "paths", "unorderedPaths")


class ExactDiff(Evaluator):
    """Compare the output with the expected output, field by field.

    The expected output is partial: fields that it does not have are not compared, nor those where it has null or an
    empty text, unless `mustBeEmpty` names them. The text `__any__` accepts every value. Numbers equal texts that are
    numbers, true equals "true" and "yes". The score is the share of the expected top-level fields and files that are
    right, a field being right if all in it is. Expected files are compared with the output file of the same name or
    stem by content: text, the text of PDF and DOCX, the cells of XLSX, else all bytes.
    """

    type_name = "exact-diff"
    example: ClassVar[str] = """\
evaluators:
  - name: fields-match
    description: Every field of the invoice is right; its lines may come in any order.
    type: exact-diff
    config:
      rules:
        $: { numericTolerance: 0.01 }
        lineItems: { order: unordered, items: exactly, matchBy: sku }
        lineItems[].description: { ignore: true }
      mustBeEmpty: [discount]
      fieldWeights: { total: 3 }
"""

    numeric_tolerance: Tolerance | None = Field(
        default=None,
        alias="numericTolerance",
        description="How far apart numbers may be, absolutely. 0 is exact. If absent, a millionth of the larger "
        "number, and a millionth below 1.",
    )
    allow_extra_fields: StrictBool = Field(
        default=True,
        alias="allowExtraFields",
        description="Whether the output may have fields that are not expected. If not, each one at the top counts as "
        "a wrong field.",
    )
    paths: list[str] | None = Field(
        default=None,
        min_length=1,
        description="What alone is compared: paths like `header.id`, `lineItems[].total` or `lineItems[0].sku`.",
    )
    unordered_paths: list[str] | None = Field(
        default=None,
        alias="unorderedPaths",
        description="Arrays whose items may come in any order: paths like `lineItems`.",
    )
    rules: dict[str, Rule] | None = Field(
        default=None,
        description="What holds at a path (`$`, `header.id`, `lineItems[].total`) and below it, in place of the four "
        "options before. Rules that do not ignore choose what is compared; write one for `$` to compare everything.",
    )
    must_be_empty: list[str] = Field(
        default_factory=list,
        alias="mustBeEmpty",
        description="Paths where the output must have nothing: no field, null, an empty text, array or object.",
    )
    field_weights: dict[str, Weight] = Field(
        default_factory=dict[str, Weight],
        alias="fieldWeights",
        description="How much a top-level field, or an expected file in it, counts in the score. 1 if absent.",
    )

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        return [*self._mixed(), *self._badly_written()]

    @override
    async def grade(self, subject: Subject, context: GradingContext) -> Grade:
        if not subject.has_expected and not subject.expected_files:
            return _nothing_expected()
        compared = await self._difference(subject.expected if subject.has_expected else {}, subject.output)
        golden = golden_files(subject.expected, subject.expected_files, self.place)
        file_mismatches = await compare_files(golden, subject.output_files, context)
        return self._graded(compared, golden, file_mismatches)

    async def _difference(self, expected: JsonValue, actual: JsonValue) -> Difference:
        try:
            return difference(
                expected, actual, self.place, must_be_empty=self._empty_paths, patience=_STEPS_ON_THE_LOOP
            )
        except LongComparisonError:
            return await asyncio.to_thread(difference, expected, actual, self.place, must_be_empty=self._empty_paths)

    def _graded(
        self, compared: Difference, golden: Sequence[GoldenFile], file_mismatches: Sequence[Sequence[JsonValue]]
    ) -> Grade:
        units = [(same, self._weight(name)) for name, same in compared.fields.items()]
        units += [
            (not mismatches, self._weight(file.top_field))
            for file, mismatches in zip(golden, file_mismatches, strict=True)
        ]
        if not units:
            return _nothing_expected()
        weight = fsum(weight for _, weight in units)
        mismatches = first_mismatches(chain(compared.mismatches, *file_mismatches))
        details = _details(sum(same for same, _ in units), len(units), mismatches)
        return Grade(fsum(weight for same, weight in units if same) / weight if weight else None, details=details)

    def _weight(self, field: str | None) -> float:
        return self.field_weights.get(field, 1.0) if field is not None else 1.0

    @cached_property
    def place(self) -> Place:
        """What the configuration asks of the whole output."""
        if self.rules is not None:
            return compile_rules(self.rules)
        return compile_classic(
            paths=self.paths,
            unordered_paths=self.unordered_paths or (),
            allow_extra_fields=self.allow_extra_fields,
            numeric_tolerance=self.numeric_tolerance,
        )

    @cached_property
    def _empty_paths(self) -> Sequence[Path]:
        return [parse_path(path) for path in self.must_be_empty]

    def _mixed(self) -> Iterator[tuple[str, str, str]]:
        given = self.model_dump(by_alias=True, exclude_unset=True)
        mixed = [name for name in _CLASSIC if given.get(name) is not None]
        if self.rules is not None and mixed:
            yield "rules", f"`rules` replaces {', '.join(mixed)}; write those as rules.", "rules_mixed"

    def _badly_written(self) -> Iterator[tuple[str, str, str]]:
        yield from rule_problems(self.rules or {})
        yield from path_problems("paths", self.paths or ())
        yield from path_problems("unorderedPaths", self.unordered_paths or ())
        yield from path_problems("mustBeEmpty", self.must_be_empty)


def _nothing_expected() -> Grade:
    return Grade(None, details=_details(0, 0, []))


def _details(matched: int, total: int, mismatches: Sequence[JsonValue]) -> Mapping[str, JsonValue]:
    return {
        "noExpectedData": total == 0,
        "matchedFields": matched,
        "totalFields": total,
        "mismatches": list(mismatches),
    }
