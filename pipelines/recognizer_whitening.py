"""The whitening of a recogniser again, fitted to rendered eyes; the network itself stays as it is.

    python pipelines/recognizer_whitening.py -o OUT [--model RUN] [--config configs/recognizer.yaml] [--set KEY=VALUE]

`irisstn train` fits it at the end of each run, so this is for other settings (whitening.exponent) or other eyes
(rendered.*). OUT/recognizer.safetensors is the result. The eyes that the config names are kept in OUT/eyes: a command
that was killed goes on, and the next one finds them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import torch

from irisstn.config import load_config
from irisstn.progress import StageProgress
from irisstn.recognition import StripNet
from irisstn.recognition.whitening import WhiteningFitConfig
from irisstn.training import TrainConfig
from irisstn.training.data.batches import Eyes
from irisstn.training.data.rendered_eyes import RenderedEyes
from irisstn.training.whitening import StripSettings, fit_whitening
from irisstn.weights import RECOGNIZER


@click.command(help=__doc__)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path, exists=True), help="Weights or run.  [default: the shipped]")
@click.option("--config", type=click.Path(path_type=Path, exists=True), help="Settings of a training run.")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override a setting of the config.")
@click.option("--identities", default=512, show_default=True, type=click.IntRange(2), help="Eyes that are rendered.")
def main(out: Path, model: Path | None, config: Path | None, overrides: tuple[str, ...], identities: int) -> None:
    """Render, embed, fit."""
    torch.set_num_threads(1)
    settings = load_config(TrainConfig, config, overrides)
    rendered = settings.rendered.model_copy(update={"identities": identities, "at_first": identities, "validation": 2})
    network = StripNet.load(model)
    with StageProgress(bar=sys.stderr.isatty(), lines=True) as stages:
        with RenderedEyes(rendered, settings.seed, out / "eyes") as source:
            eyes = Eyes(*source.training(0, lambda done, of: stages.tell("rendering", done, of)), upright=True)
        strips = StripSettings(settings.size, settings.perturbation, settings.seed)
        figures = fit_whitening(network, None, [eyes], strips, settings.whitening or WhiteningFitConfig())
    network.save(out / RECOGNIZER)
    before, after = figures["dimensions_before"], figures["dimensions_after"]
    count = figures["strips"]
    click.echo(f"{out / RECOGNIZER}: {count:.0f} strips; {before:.0f} effective dimensions, now {after:.0f}")


if __name__ == "__main__":
    main()
