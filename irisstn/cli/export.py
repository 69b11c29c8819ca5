"""The command that writes a network as ONNX: export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from irisstn.cli.messages import Misuse, report_errors
from irisstn.cli.options import model_option, quiet_option, roll_option, roll_prior_option

if TYPE_CHECKING:
    from irisstn.recognition import StripNet
    from irisstn.rectification.roll_setting import RollMode


@click.command()
@click.option(
    "--what",
    type=click.Choice(["rectifier", "recognizer", "pipeline"]),
    default="rectifier",
    show_default=True,
    help="Which network; pipeline is the rectifier and then the recognizer, in one file.",
)
@model_option
@click.option("-o", "--out", type=click.Path(path_type=Path), help="File to write.  [default: WHAT.onnx]")
@click.option(
    "--size", "sizes", metavar="RxC", multiple=True, help="Rows x columns of the strips, like 64x512; may be repeated."
)
@roll_option
@roll_prior_option
@quiet_option
def export(
    *,
    what: str,
    model: Path | None,
    out: Path | None,
    sizes: tuple[str, ...],
    roll: RollMode | None,
    roll_prior: float | None,
    quiet: bool,
) -> None:
    """Write networks as ONNX, for pipelines without torch or without Python, and check it in ONNX Runtime.

    The files are those that `irisstn rectify` and `irisstn embed` take as --model with --runtime onnx; the shipped
    networks need no export. Without --model a network that irisstn ships is written. Needs
    pip install "irisstn[export]".

    The rectifier's inputs are strips and their masks, in batches of any size, and, where they are known, what surrounds
    each ring, the eyelids and the size of the pupil; the roll is corrected where eyelids are given. Its outputs are
    rectified strips, their masks, the sampling grids, the parameters of the transform and how sure the roll is. Several
    sizes give several files, OUT-64x512.onnx and so on. The recognizer's inputs are rectified strips of its own size
    and their masks, its output is their embeddings. The pipeline has the inputs of the rectifier, and its outputs and
    the embeddings; it corrects the roll as far as `irisstn embed` does, unless --roll or --roll-prior say otherwise.

    \b
    Examples:
      irisstn export
      irisstn export --model runs/mine -o runs/mine/rectifier.onnx --size 32x256
      irisstn export --size 64x512 --size 32x256 --roll-prior 2
      irisstn export --what recognizer --model runs/mine -o runs/mine/recognizer.onnx
      irisstn export --what pipeline --size 32x256
    """
    from irisstn.extras import require_extra
    from irisstn.rectification.roll_setting import EMBEDDING_ROLL_PRIOR_DEG

    with report_errors():
        require_extra("export", "irisstn export")
        file = out or Path(f"{what}.onnx")
        if what == "recognizer":
            if sizes or roll is not None or roll_prior is not None:
                raise Misuse("--size, --roll and --roll-prior are for the rectifier")
            lines = [_recognizer(model, file)]
        else:
            both = what == "pipeline"
            if both and roll_prior is None:
                roll_prior = EMBEDDING_ROLL_PRIOR_DEG
            lines = _rectifier(model, file, sizes, roll or "auto", roll_prior, embed=both)
    if not quiet:
        for line in lines:
            click.echo(line)


def _recognizer(model: Path | None, file: Path) -> str:
    """Write the recognition network; returns a line about it."""
    from irisstn.recognition import StripNet
    from irisstn.recognition.onnx_export import export_recognizer

    network = StripNet.load(model)
    difference = export_recognizer(network, file)
    rows, columns = network.config.size
    return f"{file}: strips of {rows}x{columns}; {_comparison(difference)}"


def _rectifier(
    model: Path | None, out: Path, sizes: tuple[str, ...], roll: RollMode, roll_prior: float | None, *, embed: bool
) -> list[str]:
    """Write the rectifier, with `embed` and the recognizer, for each size; returns a line about each file."""
    from pydantic import TypeAdapter, ValidationError

    from irisstn.config import Size
    from irisstn.normalization import DEFAULT_SIZE

    try:
        wanted = [TypeAdapter(Size).validate_python(size) for size in sizes] or [DEFAULT_SIZE]
    except ValidationError:
        raise Misuse(f"--size must be rows x columns of 1 to 4096 each, like 64x512, not {', '.join(sizes)}") from None
    from irisstn.rectification.onnx_export import export_rectifier
    from irisstn.rectification.rectifier import Rectifier

    recognizer = None
    if embed:
        recognizer, model = _recognizer_of(model)
    try:
        rectifier = Rectifier.load(model).with_roll(roll, roll_prior)
    except ValueError as error:
        raise Misuse(str(error)) from None
    lines = []
    for rows, columns in wanted:
        file = out if len(wanted) == 1 else out.with_name(f"{out.stem}-{rows}x{columns}{out.suffix}")
        difference = export_rectifier(rectifier, file, size=(rows, columns), recognizer=recognizer)
        lines.append(f"{file}: strips of {rows}x{columns}; {_comparison(difference)}")
    return lines


def _recognizer_of(model: Path | None) -> tuple[StripNet, Path]:
    """The recognition network of `irisstn embed --model`, and the file of the rectifier before it."""
    from irisstn.networks import recognizer_files
    from irisstn.recognition import StripNet

    recognizer, rectifier = recognizer_files(model, "torch")
    if rectifier is None:
        raise Misuse(f"{model} holds no rectifier: irisstn export --what recognizer writes its recognition network")
    return StripNet.load(recognizer), rectifier


def _comparison(difference: float) -> str:
    return f"ONNX Runtime differs from PyTorch by at most {difference:.1g}"
