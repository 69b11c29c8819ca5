"""Commands that compare the outputs of folder commands and measure recognition: match, evaluate."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from irisstn.cli.messages import Misuse, report_errors
from irisstn.cli.options import (
    OptionWithDefaultInCode,
    by_option,
    identity_options,
    model_option,
    name_of,
    quiet_option,
    resamples,
    runtime_option,
)
from irisstn.cli.two_pictures import match_pictures

if TYPE_CHECKING:
    from irisstn.datasets import Identities
    from irisstn.datasets.identities import Use
    from irisstn.networks import RuntimeChoice

MAX_SHIFT = 128  # columns: half a turn
_LARGE_BYTES = 1_000_000_000  # of scores, which are told before they are written


@click.command()
@click.argument("rows", metavar="A", type=click.Path(path_type=Path))
@click.argument("columns", metavar="[B]", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Output folder.  [default: A-matched]")
@by_option("A")
@click.option(
    "--shifts",
    metavar="N",
    type=click.IntRange(0, MAX_SHIFT),
    help="Shift codes by up to N columns.  [default: 0; 16 for two pictures]",
)
@click.option("--pairs", is_flag=True, help="Also write pairs.csv, with a line for each pair.")
@identity_options
@model_option
@runtime_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@quiet_option
def match(
    *,
    rows: Path,
    columns: Path | None,
    out: Path | None,
    by: Literal["code", "embedding"] | None,
    shifts: int | None,
    pairs: bool,
    labels: Path | None,
    layout: str | None,
    model: Path | None,
    runtime: RuntimeChoice | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare irises: two pictures; all pairs within the output folder A; or each iris of A with each of B.

    Two pictures A and B are segmented, rectified and embedded. Printed are the similarity (the cosine of the
    embeddings), the thresholds whose false match rates are 1e-3 and 1e-6, the false match rate at this similarity, the
    likelihood ratio, and a decision: "match" from the first threshold on; a pair of low quality is "undecided" below
    the second one. Exit code: 0 match, 4 no match, 5 undecided, 2 misuse or a picture that shows no iris, 1 crash.

    Otherwise A and B are output folders of `irisstn embed` (compared by the cosine of embeddings), or of `irisstn
    segment` and `rectify` (compared by iris codes: the masked Hamming distance, the smallest over all shifts). Writes
    OUT/scores.npy, rows.csv and columns.csv; a smaller score means more similar irises. The memory used does not depend
    on the number of pairs; the disk holds 4 bytes for each, 40 GB for 100,000 irises.

    \b
    Examples:
      irisstn match a.png b.png
      irisstn match a.png b.png --runtime onnx
      irisstn match eyes-embedded
      irisstn match eyes-rectified --shifts 16 --pairs
      irisstn match probes gallery -o scores
    """
    from irisstn.evaluation import read_templates, write_scores
    from irisstn.evaluation.score_files import scores_bytes
    from irisstn.progress import ProgressBar

    if rows.is_file() or (columns is not None and columns.is_file()):
        if columns is None or not (rows.is_file() and columns.is_file()):
            raise Misuse("to compare pictures, give two picture files; to compare folders, two output folders")
        if out is not None or pairs or labels is not None or layout is not None:
            raise Misuse("--out, --pairs, --labels and --layout are for output folders, not for two pictures")
        match_pictures(rows, columns, by=by, shifts=shifts, model=model, runtime=runtime, as_json=as_json)
        return
    if model is not None or runtime is not None:
        given = "--model" if model is not None else "--runtime"
        raise Misuse(f"{given} is for two pictures: the embeddings of output folders are made already")
    with report_errors():
        sources = [rows] if columns is None else [rows, columns]
        identities = _identities(sources, labels, layout, "matching")
        known = identities.labels if identities is not None else None
        left = read_templates(rows, by, known)
        right = read_templates(columns, by, known) if columns is not None else None
        if right is not None and right.kind != left.kind:
            raise Misuse(f"{rows} holds {left.kind}s, but {columns} holds {right.kind}s: give --by code")
        if shifts and left.kind == "embedding":
            raise Misuse("--shifts is for codes, not for embeddings: give --by code")
        folder = out or Path(f"{name_of(str(rows))}-matched")
        _print_identities(identities, quiet=quiet or as_json)
        # Whoever reads the scores looks at what they were made from, from the folder of the scores.
        about = {"a": _seen_from(folder, rows), "b": _seen_from(folder, columns) if columns is not None else None}
        shape = len(left.names), len((right or left).names)
        total, size = shape[0] * shape[1], scores_bytes(shape)
        if size > _LARGE_BYTES and not quiet:
            click.echo(f"Note: {total:,} scores take {size / 1e9:.3g} GB in {folder}", err=True)
        with ProgressBar("match", total, shown=not quiet and sys.stderr.isatty()) as bar:
            write_scores(left, right, folder, max_shift=shifts or 0, pairs=pairs, about=about, progress=bar.advance)
    if as_json:
        click.echo(json.dumps({"scores": total, "kind": left.kind, "out": str(folder)}))
    elif not quiet:
        click.echo(f"{total:,} scores of {left.kind}s in {folder}")


def _identities(outs: Sequence[Path], labels: Path | None, layout: str | None, use: Use) -> Identities | None:
    """The identities of the inputs of `outs`; None where no folder lists any.

    Raises DatasetError where they are surely wrong.
    """
    from irisstn.evaluation import identities_of_outputs

    identities = identities_of_outputs(outs, labels=labels, layout=layout)
    if identities is not None:
        identities.require_sound(use)
    return identities


def _print_identities(identities: Identities | None, *, quiet: bool) -> None:
    """Print what was read, and alarms, on stderr."""
    if identities is not None and not quiet:
        click.echo("\n".join(identities.lines()), err=True)


def _seen_from(folder: Path, source: Path) -> str:
    """The path of `source`, "." where it is `folder` itself."""
    return "." if source.resolve() == folder.resolve() else str(source.resolve())


@click.command()
@click.argument("outs", metavar="OUT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", default="evaluation", show_default=True, type=click.Path(path_type=Path), help="Output folder."
)
@by_option("OUT")
@click.option(
    "--shifts",
    default="0",
    show_default=True,
    metavar="N,...",
    help="Shift codes by up to N columns; one run for each N.",
)
@click.option(
    "--resamples",
    cls=OptionWithDefaultInCode,
    default=resamples,
    show_default=True,
    type=click.IntRange(0),
    help="Bootstrap resamples for the intervals.",
)
@identity_options
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@quiet_option
def evaluate(
    *,
    outs: tuple[Path, ...],
    out: Path,
    by: Literal["code", "embedding"] | None,
    shifts: str,
    resamples: int,
    labels: Path | None,
    layout: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure recognition: error rates with confidence intervals, DET curves, histograms, and a page with all runs.

    OUT: output folders of `irisstn segment`, `rectify`, `embed` or `match`. The others are compared with the first one:
    the page shows the pairs and the pictures that gained and lost most. Needs pip install "irisstn[report]".

    \b
    Examples:
      irisstn evaluate eyes-segmented eyes-rectified --shifts 0,16
      irisstn evaluate eyes-embedded -o evaluation --labels identities.csv
    """
    from irisstn.report.evaluated_runs import EvaluatedRun, read_runs
    from irisstn.report.evaluation import write_evaluation
    from irisstn.report.rates_table import rates_table

    try:
        searched = [int(part) for part in shifts.split(",")]
    except ValueError:
        raise Misuse(f"--shifts takes numbers such as 0,16; got {shifts}") from None
    if not all(0 <= shift <= MAX_SHIFT for shift in searched):
        raise Misuse(f"--shifts takes numbers from 0 to {MAX_SHIFT}; got {shifts}")
    with report_errors():
        identities = _identities(outs, labels, layout, "evaluation")
        known = identities.labels if identities is not None else None
        runs: list[EvaluatedRun] = read_runs(outs, by, searched, known)
        _print_identities(identities, quiet=quiet or as_json)
        rates = write_evaluation(runs, out, resamples=resamples)
    if as_json:
        click.echo(json.dumps({name: one.as_dict() for name, one in rates.items()}))
    elif not quiet:
        click.echo(rates_table(rates))
        click.echo(f"Figures and plots in {out}; open {out / 'evaluation.html'}")
