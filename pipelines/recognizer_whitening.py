"""The last steps to the recogniser that irisstn ships: runs joined, whitened and calibrated on rendered eyes.

    python pipelines/recognizer_whitening.py -o OUT [--model RUN ...] [--config CONFIG] [--set KEY=VALUE]

`irisstn train` whitens and calibrates each run at its end, so this is to join several runs, which are given as several
--model, or for other settings (whitening.exponent) or other eyes (rendered.*). OUT/recognizer.safetensors and
OUT/recognizer.json are the result. The eyes that the config names are kept in OUT/eyes: a command that was killed goes
on, and the next one finds them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import torch

from irisstn.config import load_config
from irisstn.progress import StageProgress
from irisstn.recognition import StripNet, WhiteningFitConfig, join
from irisstn.training import Eyes, RenderedEyes, StripSettings, TrainConfig, calibrate, fit_whitening
from irisstn.weights import CALIBRATION, RECOGNIZER


@click.command(help=__doc__)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path))
@click.option("--model", "models", multiple=True, type=click.Path(path_type=Path, exists=True), help="Weights or run.")
@click.option("--config", type=click.Path(path_type=Path, exists=True), help="Settings of a training run.")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override a setting of the config.")
@click.option("--identities", default=512, show_default=True, type=click.IntRange(2), help="Eyes for the whitening.")
@click.option("--floats", default=512, show_default=True, type=click.IntRange(1), help="Kept of joined runs.")
def main(
    *,
    out: Path,
    models: tuple[Path, ...],
    config: Path | None,
    overrides: tuple[str, ...],
    identities: int,
    floats: int,
) -> None:
    """Render, embed, fit."""
    torch.set_num_threads(1)
    settings = load_config(TrainConfig, config, overrides)
    rendered = settings.rendered.model_copy(update={"identities": identities, "first_epoch_identities": identities})
    networks = [StripNet.load(model) for model in models] or [StripNet.load()]
    network = networks[0] if len(networks) == 1 else join(networks, whitened=floats)
    with StageProgress(bar=sys.stderr.isatty(), lines=True) as stages:
        with RenderedEyes(rendered, settings.seed, out / "eyes") as source:
            eyes = Eyes(*source.training(0, lambda done, of: stages.update("rendering", done, of)), upright=True)
            unseen = Eyes(*source.validation(lambda done, of: stages.update("rendering", done, of)), upright=True)
        strips = StripSettings(settings.size, settings.perturbation, settings.seed)
        figures = fit_whitening(network, None, eyes, strips, settings.whitening or WhiteningFitConfig())
        calibration = calibrate(network, None, unseen, strips)
    network.save(out / RECOGNIZER)
    calibration.save(out / CALIBRATION, network.weights_sha256)
    click.echo(json.dumps({name: round(value, 1) for name, value in figures.items()}))
    click.echo(f"{out / RECOGNIZER}, threshold at FMR 1e-3: {calibration.threshold(1e-3):.3f}")


if __name__ == "__main__":
    main()
