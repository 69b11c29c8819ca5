"""The command that writes the rectifier as ONNX: export."""

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

    Its inputs are strips and their masks, in batches of any size. Its outputs are rectified strips, their masks, the
    sampling grids and the parameters of the transform. Without --model the rectifier that irisstn ships is written.
    Needs pip install 'irisstn[onnx]'.

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

        difference = export_rectifier(Rectifier.load(model), out, size=(rows, columns))
    if not quiet:
        click.echo(f"{out}: strips of {rows}x{columns}; ONNX Runtime differs from PyTorch by at most {difference:.1g}")
