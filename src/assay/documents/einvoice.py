"""What an electronic invoice says, whichever syntax it was written in."""

import json
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class EInvoiceLine:
    """One position; a line that is only a remark has a description and nothing else.

    `unit` is a code of UN/ECE Recommendation 20 (`H87` is a piece), `unit_price` is for one unit, `tax_rate` in
    percent.
    """

    description: str | None
    quantity: float | None
    unit: str | None
    unit_price: float | None
    net_total: float | None
    tax_rate: float | None


@dataclass(frozen=True, slots=True)
class EInvoice:
    """The facts of an invoice or credit note; what it does not say is None.

    `issue_date` is `yyyy-mm-dd`, `type_code` a code of UNTDID 1001 (380 is an invoice, 381 a credit note). Amounts are
    in `currency` and have the sign they were written with: those of a credit note are usually positive. `net_total` is
    what tax is computed on, after allowances and charges of the whole document; `total` includes the tax.
    """

    syntax: Literal["cii", "ubl"]
    type_code: str | None
    invoice_number: str
    issue_date: str | None
    seller_name: str | None
    buyer_name: str | None
    currency: str | None
    net_total: float | None
    tax_total: float | None
    total: float | None
    lines: tuple[EInvoiceLine, ...]

    @classmethod
    def from_json(cls, content: bytes) -> "EInvoice":
        """Read back `dataclasses.asdict` of an invoice written as JSON."""
        fields: dict[str, Any] = json.loads(content)
        lines = tuple(EInvoiceLine(**line) for line in fields.pop("lines"))
        return cls(lines=lines, **fields)
