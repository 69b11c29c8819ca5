"""Does an STN in front of the recognizer help? A controlled comparison, on rendered eyes or on a folder of images.

    python benchmarks/recognition.py -o RUNS [--eyes FOLDER] [--seeds 3] [--steps N] [--json FILE]

Without --eyes the recognizers are trained on rendered eyes and tested on other rendered identities. With --eyes
(identities follow from names and folders) they are trained on half of the subjects and tested on the others. RUNS then
holds networks trained on real eyes: do not publish it.

Four recognizers are trained from scratch for each seed, on the same batches, for the same number of steps: `none`, the
CNN only, made wider until it has as many parameters as the others; `affine`, `tps` and `ring`, a narrower CNN behind
that STN, trained end to end. Each is tested in single comparisons on the same strips, under the conditions of
`recognition_conditions.py`.

Iris codes are tested on the same strips: without an STN, rectified by each STN, and with the errors of the condition
removed exactly (`oracle`); in single comparisons, and with the best of ±16 shifts of 1.4 degrees.

A recognizer that is in RUNS is not trained again, so an interrupted run continues. Figures are FNMR at FMR 1e-3 in %:
the mean over seeds, with the smallest and the largest; iris codes without an STN have 95 % intervals over subjects.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import cv2
import lightning
import numpy as np
import torch
from recognition_conditions import CONDITIONS, MAX_ERROR, SIZE, ConditionStrips, condition_strips, rectified_strips
from recognition_tables import NETWORKS, Rates, results_tables, table
from results_file import results_option, slug, write_results
from torch.utils.data import DataLoader

from irisstn import Rectifier, RectifierConfig
from irisstn.evaluation import evaluate_codes, evaluate_embeddings
from irisstn.files import write_bytes_atomic
from irisstn.progress import no_progress
from irisstn.recognition import StripNet, StripNetConfig
from irisstn.synthetic.folder import NEAR_INFRARED
from irisstn.training import TrainConfig, choose_precision
from irisstn.training.data.augmentation_config import AugmentationConfig
from irisstn.training.data.batches import BatchDataset, Eyes, StepSampler
from irisstn.training.data.boundary_errors import PerturbationConfig
from irisstn.training.data.image_folder import read_eyes
from irisstn.training.data.rendered_eyes import RenderedConfig, RenderedEyes
from irisstn.training.lightning_module import RecognitionModule
from irisstn.weights import RECOGNIZER, RECTIFIER

# Widths of the CNNs. All recognizers have 84,188 to 86,244 parameters (`parameter_counts`); the ring's STN is smaller.
_CNN_WIDTHS = {"none": (16, 26, 38, 48), "affine": (12, 20, 29, 38), "tps": (12, 20, 29, 38), "ring": (12, 21, 31, 40)}
_STN_WIDTH = 16
_MAX_TESTED = 400  # images


def config_of(network: str, seed: int, steps: int) -> TrainConfig:
    """Settings of a recognizer; they differ in the STN and in the width of the CNN.

    Parameters
    ----------
    network : str
        One of `NETWORKS`.
    seed : int
        Seed of the run.
    steps : int
        Training steps.

    Returns
    -------
    TrainConfig
        The settings.
    """
    stn = None
    if network != "none":
        stn = RectifierConfig.model_validate({"transform": network, "width": _STN_WIDTH})
    return TrainConfig(
        seed=seed,
        size=SIZE,
        epochs=1,
        steps_per_epoch=steps,
        identities_per_batch=16,
        strips_per_identity=3,
        precision="auto",
        threads=1,
        rectifier=stn,
        recognizer=StripNetConfig(widths=_CNN_WIDTHS[network]),
        perturbation=PerturbationConfig(large_fraction=0.7, large_shift=MAX_ERROR, large_radius=MAX_ERROR),
        augmentation=AugmentationConfig(combined_masks=0.5),
    )


def fit(eyes: Eyes, config: TrainConfig) -> RecognitionModule:
    """Train a recognizer for one epoch.

    Parameters
    ----------
    eyes : Eyes
        Eyes to train on.
    config : TrainConfig
        Settings, from `config_of`.

    Returns
    -------
    RecognitionModule
        The trained networks.
    """
    torch.manual_seed(config.seed)
    module = RecognitionModule(config, len(np.unique(eyes.labels)))
    batches = BatchDataset(config, lambda epoch: eyes, upright=eyes.upright)
    precision = choose_precision(config.precision, on_gpu=config.device != "cpu" and torch.cuda.is_available())
    trainer = lightning.Trainer(
        accelerator=config.device,
        precision="bf16-mixed" if precision == "bfloat16" else "32-true",
        max_epochs=1,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, DataLoader(batches, batch_size=None, sampler=StepSampler(config.steps_per_epoch, lambda: 0)))
    return module.eval()


def rates_of(run: Path, tests: dict[str, ConditionStrips], eyes: list[str]) -> Rates:
    """Measure the error rates of a recognizer, and of iris codes of the strips that its STN rectified.

    Parameters
    ----------
    run : Path
        Folder of the trained networks.
    tests : dict of str to ConditionStrips
        Strips by condition.
    eyes : list of str
        Identities of the strips.

    Returns
    -------
    Rates
        `ErrorRates.as_dict` by "condition/method".
    """
    network = StripNet.load(run)
    rectifier = Rectifier.load(run) if (run / RECTIFIER).exists() else None
    rates: Rates = {}
    for condition, test in tests.items():
        strips = rectified_strips(rectifier, test)
        rates[f"{condition}/cnn"] = evaluate_embeddings(network.embed(strips), eyes, resamples=0).as_dict()
        if rectifier is None:
            rates[f"{condition}/cnn oracle"] = evaluate_embeddings(
                network.embed(test.errors_removed), eyes, resamples=0
            ).as_dict()
            continue
        for shift in (0, 16):
            rates[f"{condition}/code ±{shift}"] = evaluate_codes(strips, eyes, max_shift=shift, resamples=0).as_dict()
    return rates


def plain_rates(tests: dict[str, ConditionStrips], eyes: list[str]) -> Rates:
    """Measure the error rates of iris codes without an STN, with intervals; parameters as in `rates_of`."""
    rates: Rates = {}
    for condition, test in tests.items():
        for name, strips in (("code", test.strips), ("oracle", test.errors_removed)):
            for shift in (0, 16):
                rates[f"{condition}/{name} ±{shift}"] = evaluate_codes(strips, eyes, max_shift=shift).as_dict()
    return rates


def main(out: Path, *, eyes: Path | None = None, seeds: int = 3, steps: int = 150) -> dict[str, Rates]:
    """Train and test all recognizers that are not yet in `out`.

    Parameters
    ----------
    out : Path
        Folder of the runs.
    eyes : Path or None
        Folder of images. None: rendered eyes.
    seeds : int
        Number of seeds, from 0.
    steps : int
        Training steps of each recognizer.

    Returns
    -------
    dict of str to Rates
        Error rates by the run's name, "NETWORK-SEED"; those of iris codes without an STN are named "plain".
    """
    found: dict[str, Rates] = {}
    training, testing = _eyes(eyes, out)
    few = range(min(_MAX_TESTED, len(testing.labels)))  # images of one eye follow each other
    testing = Eyes([testing.eyes[i] for i in few], testing.labels[: len(few)], upright=testing.upright)
    identities = [str(label) for label in testing.labels]
    tests = {condition: condition_strips(testing, condition) for condition in CONDITIONS}
    found["plain"] = _kept(out / "plain.json", partial(plain_rates, tests, identities))
    for seed in range(seeds):
        for network in NETWORKS:
            run = out / f"{network}-{seed}-{steps}"
            if not (run / RECOGNIZER).exists():
                module = fit(training, config_of(network, seed, steps))
                run.mkdir(parents=True, exist_ok=True)
                if module.rectifier is not None:
                    module.rectifier.save(run / RECTIFIER)
                if module.averaged_recognizer is not None:
                    module.averaged_recognizer.save(run / RECOGNIZER)
            found[f"{network}-{seed}"] = _kept(run / "rates.json", partial(rates_of, run, tests, identities))
            click.echo(f"{network}, seed {seed}: done", err=True)
    return found


def _eyes(folder: Path | None, out: Path) -> tuple[Eyes, Eyes]:
    """Eyes to train on, and eyes of other subjects to test on."""
    if folder is not None:
        return read_eyes(folder, labels=None, validation_fraction=0.5, seed=0, progress=no_progress)
    config = RenderedConfig(identities=512, cameras=NEAR_INFRARED, segmented_fraction=0.8, cache=out.parent / "pool")
    with RenderedEyes(config, 0, config.folder(0, out)) as rendered:
        return Eyes(*rendered.training(config.identities), upright=True), Eyes(*rendered.validation(), upright=True)


def _kept(path: Path, make: Callable[[], Rates]) -> Rates:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(path, json.dumps(make(), indent=1).encode())
    rates: Rates = json.loads(path.read_bytes())
    return rates


def parameter_counts() -> dict[str, int]:
    """Count the parameters of each of `NETWORKS`, by name."""
    counts = {}
    for network in NETWORKS:
        config = config_of(network, 0, 1)
        parts = RecognitionModule(config, 2)
        trained = (parts.recognizer, parts.rectifier)
        counts[network] = sum(p.numel() for part in trained if part is not None for p in part.parameters())
    return counts


@click.command()
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the runs.")
@click.option(
    "--eyes", type=click.Path(path_type=Path, exists=True), help="Folder of images.  [default: rendered eyes]"
)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--steps", default=150, show_default=True, type=click.IntRange(1))
@click.option("--json", "file", type=click.Path(path_type=Path), help="Also write the figures to this file.")
@click.option("--name", help="Name of the eyes in the results.  [default: that of their folder, or rendered]")
@results_option
def cli(
    *, out: Path, eyes: Path | None, seeds: int, steps: int, file: Path | None, name: str | None, results: bool
) -> None:
    """Compare recognizers with and without an STN, at equal parameters and budget."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    click.echo("parameters: " + ", ".join(f"{name} {count:,}" for name, count in parameter_counts().items()))
    found = main(out, eyes=eyes, seeds=seeds, steps=steps)
    click.echo(table(found))
    if file is not None:
        file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if results:
        name = name or ("rendered" if eyes is None else eyes.name)
        command = f"python benchmarks/recognition.py -o RUNS --seeds {seeds} --steps {steps}"
        command += " --eyes EYES" * (eyes is not None)
        click.echo(write_results(f"recognition-{slug(name)}", command, results_tables(name, found)))


if __name__ == "__main__":
    cli()
