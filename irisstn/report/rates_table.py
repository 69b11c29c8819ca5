"""Error rates of several runs as a table: of text for a terminal, or its cells for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from irisstn.evaluation import ErrorRates, Estimate


def rates_table(rates: Mapping[str, ErrorRates]) -> str:
    """The rates as a table of text, in % with 95 % intervals; `rates` by the names of the runs."""
    rows = [rates_row(name, one) for name, one in rates.items()]
    head = ["run", *rows[0].cells]
    lines = [head, *([row.name, *row.cells.values()] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


@dataclass(frozen=True, slots=True)
class RatesRow:
    """A line of the table: a run's `name`, and its `cells` by their column."""

    name: str
    cells: dict[str, str]


def rates_row(name: str, rates: ErrorRates) -> RatesRow:
    """The line of the run `name`."""
    cells = {"EER": _percent(rates.eer)}
    cells |= {f"FNMR at FMR {level:g}": _percent(estimate) for level, estimate in rates.fnmr_at.items()}
    cells |= {
        "d′": f"{rates.d_prime:.2f}",
        "not enrolled": f"{100 * rates.failure_to_enrol:.2f}",
        "mated": f"{rates.mated:,}",
        "non-mated": f"{rates.non_mated:,}",
        "subjects": f"{rates.subjects:,}",
    }
    return RatesRow(name, cells)


def _percent(estimate: Estimate) -> str:
    """`estimate` in % with its interval, where one was computed."""
    if estimate.low == estimate.high:
        return f"{100 * estimate.value:.2f}"
    return f"{100 * estimate.value:.2f} [{100 * estimate.low:.2f}, {100 * estimate.high:.2f}]"
