"""The command that searches probes in a gallery."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from irisstn.cli.messages import SOME_FAILED, report_errors
from irisstn.cli.options import model_option, name_of, quiet_option
from irisstn.cli.output_files import require_own_file


@click.command()
@click.argument("probes", type=click.Path(path_type=Path))
@click.option("--gallery", metavar="G", required=True, type=click.Path(path_type=Path), help="Enrolled eyes.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Output file.  [default: PROBES-candidates.jsonl]")
@click.option(
    "--fpir",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Fraction of the searches without a mate in G that may return a candidate.",
)
@click.option("--threshold", type=click.FloatRange(-1, 1), help="Least similarity, in place of that of --fpir.")
@click.option("--most", default=10, show_default=True, type=click.IntRange(1), help="Candidates of a probe.")
@click.option(
    "--index", metavar="FILE", type=click.Path(path_type=Path), help="Approximate index of G; built where missing."
)
@model_option
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@quiet_option
def search(
    *,
    probes: Path,
    gallery: Path,
    out: Path | None,
    fpir: float,
    threshold: float | None,
    most: int,
    index: Path | None,
    model: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Search each eye of PROBES in a gallery that may not hold it: candidates above a threshold, or none.

    PROBES and G are output folders of `irisstn embed`, made with one network. OUT has a line of JSON for each probe,
    with its candidates, the most similar first, and the false match rate of each. The threshold follows from --fpir,
    the size of the gallery and the calibration of the network; for large galleries it is extrapolated. All of G is
    compared; with --index only a part of it, which is faster from some 100,000 eyes on and may miss a candidate (needs
    pip install "irisstn[search]"). Exit code: 0 all probes searched, 3 some had failed to enrol, 2 misuse, 1 crash.

    \b
    Examples:
      irisstn search probes-embedded --gallery gallery-embedded
      irisstn search probes-embedded --gallery gallery-embedded --fpir 0.001 --index gallery.faiss
    """
    from irisstn.evaluation.search_folders import is_candidates, search_folders

    file = out or Path(f"{name_of(str(probes))}-candidates.jsonl")
    require_own_file(file, is_candidates, option="--out", what="result of `irisstn search`")
    with report_errors():
        summary = search_folders(
            probes, gallery, file, fpir=fpir, threshold=threshold, most=most, index=index, model=model
        )
    if as_json:
        click.echo(json.dumps(asdict(summary) | {"out": str(file)}))
    elif not quiet:
        rate = (
            "" if summary.false_positive_rate is None else f" (FPIR {summary.false_positive_rate:.1e} by calibration)"
        )
        click.echo(
            f"{summary.with_candidates} of {summary.probes} probes have a candidate among {summary.gallery} from a "
            f"similarity of {summary.threshold:.3f} on{rate}"
        )
        if summary.failed:
            click.echo(f"{summary.failed} probes were not searched: they failed to enrol")
        click.echo(f"Candidates in {file}")
    sys.exit(SOME_FAILED if summary.failed else 0)
