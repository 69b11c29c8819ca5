"""How well does one comparison of two embeddings do? Measured on output folders of `irisstn embed`.

    irisstn embed EYES -o OUT
    python benchmarks/one_comparison.py NAME=OUT [NAME=OUT ...]

Error rates of embeddings, compared once, beside those of the plain iris codes of the same rectified strips with the
best of 33 shifts. Failures to enrol count as rejected. Intervals are 95 % bootstrap intervals over subjects.
`benchmarks/degraded_eyes.py` makes the poorer pictures.
"""

from __future__ import annotations

from pathlib import Path

import click
from results_file import Cell, Table, named_folder, rates_figure, results_option, write_results

from irisstn.evaluation import evaluate_folder
from irisstn.recognition import CODE_SHIFTS

_COLUMNS = (
    "set",
    "mated",
    "not enrolled",
    "FNMR at FMR 1e-3",
    "FNMR at FMR 1e-4",
    "d'",
    "codes, ±16: FNMR at FMR 1e-3",
)
_RESAMPLES = 500


def row_of(name: str, out: Path) -> list[Cell]:
    """The row of one set."""
    rates = evaluate_folder(out, kind="embedding", resamples=_RESAMPLES)
    codes = evaluate_folder(out, kind="code", max_shift=CODE_SHIFTS, resamples=_RESAMPLES)
    one, other = rates.as_dict(), codes.as_dict()
    return [
        name,
        str(rates.mated),
        f"{100 * rates.failure_to_enrol:.2f} %",
        rates_figure(one, "fnmr@0.001"),
        rates_figure(one, "fnmr@0.0001"),
        f"{rates.d_prime:.2f}",
        rates_figure(other, "fnmr@0.001"),
    ]


@click.command(help=__doc__)
@click.argument("sets", nargs=-1, required=True, metavar="NAME=OUT...")
@results_option
def main(*, sets: tuple[str, ...], results: bool) -> None:
    """Evaluate each folder."""
    rows: list[list[Cell]] = []
    for given in sets:
        rows.append(row_of(*named_folder(given)))
        click.echo("  ".join(str(cell) for cell in rows[-1]))
    if results:
        table = Table("One comparison of embeddings, failures to enrol counted as rejected", list(_COLUMNS), rows)
        command = "python benchmarks/one_comparison.py " + " ".join(f'"{named_folder(out)[0]}=OUT"' for out in sets)
        click.echo(write_results("one-comparison", command, [table]))


if __name__ == "__main__":
    main()
