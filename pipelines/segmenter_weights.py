"""The weights of the segmentation's network again, from rendered eyes alone.

    python pipelines/segmenter_weights.py -o RUN [--config configs/segmenter.yaml] [--set steps=1000]

RUN/segmenter.onnx is what `irisstn/weights/` holds. A run that was killed goes on when the command is typed again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from irisstn.config import load_config
from irisstn.progress import StageProgress
from irisstn.training.segmenter import SegmenterConfig, train_segmenter


@click.command(help=__doc__)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path, exists=True))
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True)
def main(out: Path, config: Path | None, overrides: tuple[str, ...]) -> None:
    """Train and export."""
    settings = load_config(SegmenterConfig, config, overrides)
    with StageProgress(bar=sys.stderr.isatty(), lines=True) as stages:
        path = train_segmenter(out, settings, progress=stages.update)
    click.echo(f"{path}: copy it to irisstn/weights/ to ship it")


if __name__ == "__main__":
    main()
