"""The command that finds the angle between two pictures of an eye: align."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from irisstn.cli.messages import Crash, report_errors
from irisstn.cli.options import input_option, model_option, runtime_option
from irisstn.cli.output_files import require_own_file
from irisstn.cli.two_pictures import EXIT_CODES

if TYPE_CHECKING:
    from irisstn.batch.align_pictures import Alignment
    from irisstn.networks import RuntimeChoice
    from irisstn.segmentation import InputKind


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="PNG file: the strips of A, B and B turned onto A.")
@input_option
@model_option
@runtime_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def align(
    *,
    a: Path,
    b: Path,
    out: Path | None,
    kind: InputKind | None,
    model: Path | None,
    runtime: RuntimeChoice | None,
    as_json: bool,
) -> None:
    """Find the angle by which the eye of picture B is turned against that of picture A.

    A and B are photographs, masked iris rings or strips. Printed are the angle in degrees, clockwise as seen in the
    pictures, its standard deviation, and the similarity of the iris codes at that angle with the thresholds of
    `irisstn match --by code`. Angles up to 30 degrees are searched. Exit code: 0 B fits A, 4 it does not (another eye,
    or turned by more), 5 undecided because of low quality, 2 misuse or a picture that shows no iris, 1 crash.

    \b
    Examples:
      irisstn align a.png b.png
      irisstn align a.png b.png -o aligned.png --json
    """
    from irisstn.batch.align_pictures import align_pictures, is_alignment_picture
    from irisstn.images import write_png

    if out is not None:
        require_own_file(out, is_alignment_picture, option="--out", what="picture of `irisstn align`")
    with report_errors():
        found = align_pictures(a, b, kind=kind or "auto", model=model, runtime=runtime or "auto")
        if out is not None:
            try:
                write_png(out, found.picture())
            except OSError as error:
                raise Crash(f"{out} cannot be written: {error.strerror or error}") from None
    click.echo(json.dumps(found.as_dict()) if as_json else alignment_text(found))
    sys.exit(EXIT_CODES[found.decision])


def alignment_text(found: Alignment) -> str:
    """The lines that say what an alignment found."""
    compared = found.comparison
    similarity = (
        f"similarity {compared.similarity:.3f} of codes at this angle; threshold at a false match rate of 1e-3: "
        f"{compared.threshold:.3f}, of 1e-6: {compared.strict_threshold:.3f}"
    )
    angle = f"{found.roll_deg:+.2f} ± {found.sd_deg:.2f} degrees"
    if found.decision == "match":
        return f"B is turned by {angle} against A (clockwise)\n{similarity}"
    head = f"not the same eye, or turned by more than {found.limit_deg:g} degrees"
    if found.decision == "undecided":
        head = f"undecided ({'; '.join(compared.doubts)}): {head}"
    return f"{head}\nbest angle {angle}\n{similarity}"
