"""The shipped rectifier and recogniser as ONNX files, for programs without torch, from their safetensors.

    python pipelines/onnx_weights.py [-o irisstn/weights]

Needs pip install "irisstn[export]". Takes about two minutes. Run it whenever the weights have changed; a test compares
the files with the weights.
"""

from __future__ import annotations

from pathlib import Path

import click

import irisstn
from irisstn.recognition import StripNet, export_recognizer
from irisstn.rectification import export_rectifier
from irisstn.weights import ONNX_RECOGNIZER, ONNX_RECTIFIER, SHIPPED


@click.command()
@click.option("-o", "--out", default=SHIPPED, show_default=True, type=click.Path(path_type=Path), help="Folder.")
def main(out: Path) -> None:
    """Write both files."""
    apart = export_rectifier(irisstn.Rectifier.load(), out / ONNX_RECTIFIER)
    click.echo(f"{out / ONNX_RECTIFIER}: at most {apart:.1g} from PyTorch")
    apart = export_recognizer(StripNet.load(), out / ONNX_RECOGNIZER)
    click.echo(f"{out / ONNX_RECOGNIZER}: at most {apart:.1g} from PyTorch")


if __name__ == "__main__":
    main()
