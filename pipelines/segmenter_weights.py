"""Train the segmentation network from rendered eyes, as for the weights that irisstn ships.

    python pipelines/segmenter_weights.py -o RUN [--config FILE.yaml] [--set steps=1000]

The defaults are the settings of the shipped weights. The result is RUN/segmenter.onnx; irisstn reads
irisstn/weights/segmenter.onnx. The same command continues a run that was killed.
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
@click.option("--config", help="YAML file of settings.", type=click.Path(path_type=Path, exists=True))
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override a setting.")
def main(out: Path, config: Path | None, overrides: tuple[str, ...]) -> None:
    """Train the network and export its weights."""
    settings = load_config(SegmenterConfig, config, overrides)
    with StageProgress(bar=sys.stderr.isatty(), lines=True) as stages:
        path = train_segmenter(out, settings, progress=stages.update)
    click.echo(f"{path}: copy it to irisstn/weights/ to ship it")


if __name__ == "__main__":
    main()
