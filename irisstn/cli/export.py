"""The command that writes the rectifier as ONNX: export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from irisstn.cli.messages import Misuse, report_errors
from irisstn.cli.options import model_option, quiet_option, roll_option, roll_prior_option

if TYPE_CHECKING:
    from irisstn.rectification.roll_setting import RollMode


@click.command()
@model_option
@click.option(
    "-o", "--out", default="rectifier.onnx", show_default=True, type=click.Path(path_type=Path), help="File to write."
)
@click.option(
    "--size", "sizes", metavar="RxC", multiple=True, help="Rows x columns of the strips, like 64x512; may be repeated."
)
@roll_option
@roll_prior_option
@quiet_option
def export(
    *,
    model: Path | None,
    out: Path,
    sizes: tuple[str, ...],
    roll: RollMode | None,
    roll_prior: float | None,
    quiet: bool,
) -> None:
    """Write the rectifier as ONNX, for pipelines without torch or without Python, and check it in ONNX Runtime.

    Its inputs are strips and their masks, in batches of any size, and, where they are known, what surrounds each ring,
    the eyelids and the size of the pupil; the roll is corrected where eyelids are given. Its outputs are rectified
    strips, their masks, the sampling grids, the parameters of the transform and how sure the roll is. Several sizes
    give several files, OUT-64x512.onnx and so on. Without --model the rectifier that irisstn ships is written. Needs
    pip install "irisstn[export]".

    \b
    Examples:
      irisstn export
      irisstn export --model runs/mine -o mine.onnx --size 32x256
      irisstn export --size 64x512 --size 32x256 --roll-prior 2
    """
    from pydantic import TypeAdapter, ValidationError

    from irisstn.config import Size
    from irisstn.extras import require_extra
    from irisstn.normalization import DEFAULT_SIZE

    with report_errors():
        require_extra("export", "irisstn export")
        try:
            wanted = [TypeAdapter(Size).validate_python(size) for size in sizes] or [DEFAULT_SIZE]
        except ValidationError:
            raise Misuse(
                f"--size must be rows x columns of 1 to 4096 each, like 64x512, not {', '.join(sizes)}"
            ) from None
        from irisstn.rectification.onnx_export import export_rectifier
        from irisstn.rectification.rectifier import Rectifier

        try:
            rectifier = Rectifier.load(model).with_roll(roll or "auto", roll_prior)
        except ValueError as error:
            raise Misuse(str(error)) from None
        for rows, columns in wanted:
            file = out if len(wanted) == 1 else out.with_name(f"{out.stem}-{rows}x{columns}{out.suffix}")
            difference = export_rectifier(rectifier, file, size=(rows, columns))
            if not quiet:
                click.echo(
                    f"{file}: strips of {rows}x{columns}; ONNX Runtime differs from PyTorch by at most {difference:.1g}"
                )
