"""The command that hands the rectifier on: export."""

from __future__ import annotations

from pathlib import Path

import click

from irisstn.cli.messages import Misuse, report_errors
from irisstn.cli.options import model_option, quiet_option


@click.command()
@model_option
@click.option(
    "-o", "--out", default="rectifier.onnx", show_default=True, type=click.Path(path_type=Path), help="File to write."
)
@click.option("--size", metavar="RxC", help="Rows x columns of the strips, like 64x512.")
@quiet_option
def export(*, model: Path | None, out: Path, size: str | None, quiet: bool) -> None:
    """Write the rectifier as ONNX, for pipelines without torch or without Python, and check it in ONNX Runtime.

    Strips and their masks go in, in batches of any length; rectified strips, their masks, sampling grids and parameters
    come out. Needs pip install 'irisstn[onnx]'. Without --model it is the rectifier that irisstn ships.

    \b
    Examples:
      irisstn export
      irisstn export --model runs/mine -o mine.onnx --size 32x256
    """
    from pydantic import TypeAdapter, ValidationError

    from irisstn.config import Size
    from irisstn.normalization import DEFAULT_SIZE

    with report_errors():
        try:
            rows, columns = DEFAULT_SIZE if size is None else TypeAdapter(Size).validate_python(size)
        except ValidationError:
            raise Misuse(f"--size must be rows x columns of 1 to 4096 each, like 64x512, not {size}") from None
        from irisstn.rectification.onnx_export import export_rectifier
        from irisstn.rectification.rectifier import Rectifier

        apart = export_rectifier(Rectifier.load(model), out, size=(rows, columns))
    if not quiet:
        click.echo(f"{out}: strips of {rows}x{columns}; ONNX Runtime is within {apart:.1g} of PyTorch")
