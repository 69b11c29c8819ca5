"""Does an STN in front of the recogniser help? The controlled test, on rendered and on your own eyes.

    python benchmarks/recognition.py -o RUNS [--eyes FOLDER] [--seeds 3] [--steps N] [--json FILE]

Without --eyes it trains on rendered eyes and tests on rendered identities that it has not seen. With --eyes (names or
folders progress whose eye it is) it trains on half of the subjects and tests on the others: keep RUNS, which then holds
networks trained on real eyes, to yourself.

Four recognisers are trained from scratch for each seed, on the same batches, for as many steps: `none`, the CNN alone,
made wider until it has as many parameters as the others; `affine`, `tps` and `ring`, a narrower CNN behind that STN,
end to end. Each is tested in one comparison, on the same strips with the same known errors:

    natural     as segmented
    centres     pupil and limbus moved by up to +-4 % of the iris radius (4 px at 100) in x and y, each on its own
    radii       their radii wrong by up to +-4 % of it
    roll        turned by up to +-15 degrees
    dilation    texture stretched from the pupil to the limbus, r + d r (1 - r), |d| up to 0.3
    all         everything together

and beside them the plain iris code on these strips: as they are, rectified by each STN, and with the errors of the
condition taken back exactly (`oracle`); one comparison, and the best of +-16 shifts of 1.4 degrees.

A recogniser that stands in RUNS is not trained again, so a run that was ended goes on. Figures are FNMR at FMR 1e-3 in
%: the mean over seeds, with the least and the largest; plain codes without training have 95 % intervals over subjects.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
import cv2
import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from irisstn import Rectifier, RectifierConfig, Strip
from irisstn.evaluation import evaluate_codes, evaluate_embeddings
from irisstn.images import write_bytes_atomic
from irisstn.recognition import StripNet, StripNetConfig
from irisstn.synthetic.folder import NEAR_INFRARED
from irisstn.training import TrainConfig
from irisstn.training.data.augmentation import AugmentationConfig
from irisstn.training.data.batches import Batches, Eyes, Steps, to_strips, to_tensors
from irisstn.training.data.boundary_errors import NONE, Perturbation, PerturbationConfig
from irisstn.training.data.eye_crops import EyeCrop
from irisstn.training.data.image_folder import read_eyes
from irisstn.training.data.rendered_eyes import RenderedConfig, RenderedEyes
from irisstn.training.lightning_module import RecognitionModule
from irisstn.weights import RECOGNIZER, RECTIFIER

CONDITIONS = ("natural", "centres", "radii", "roll", "dilation", "all")
NETWORKS = ("none", "affine", "tps", "ring")
SIZE = (32, 256)
LENGTH, ROLL_RAD, DILATION = 0.04, np.deg2rad(15.0), 0.3
# All have 84,188 to 86,244 parameters; `sizes` counts them. The ring's STN is smaller: its roll takes 32 weights.
_BEHIND = {"none": (16, 26, 38, 48), "affine": (12, 20, 29, 38), "tps": (12, 20, 29, 38), "ring": (12, 21, 31, 40)}
_STN_WIDTH = 16
_TESTED = 400  # pictures

Rates = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Tested:
    """Strips of one condition with their contexts, and the same with the condition's errors taken back."""

    strips: list[Strip]
    contexts: NDArray[np.float32]
    undone: list[Strip]


def config_of(network: str, seed: int, steps: int) -> TrainConfig:
    """What is trained: the same but for the STN and the CNN's width."""
    stn = None
    if network != "none":
        stn = RectifierConfig.model_validate({"transform": network, "width": _STN_WIDTH})
    return TrainConfig(
        seed=seed,
        size=SIZE,
        epochs=1,
        steps=steps,
        identities=16,
        strips=3,
        bfloat16=True,
        threads=1,
        rectifier=stn,
        recognizer=StripNetConfig(widths=_BEHIND[network]),
        perturbation=PerturbationConfig(stress=0.7, large_shift=LENGTH, large_radius=LENGTH),
        augmentation=AugmentationConfig(lids=0.5),
    )


def fit(network: str, eyes: Eyes, config: TrainConfig) -> RecognitionModule:
    """A recogniser of the kind `network`, trained on `eyes` for the steps of `config`."""
    torch.manual_seed(config.seed)
    module = RecognitionModule(config, len(np.unique(eyes.labels)))
    batches = Batches.of(config, lambda epoch: eyes, upright=eyes.upright)
    trainer = lightning.Trainer(
        accelerator=config.device,
        precision="bf16-mixed" if config.bfloat16 else "32-true",
        max_epochs=1,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, DataLoader(batches, batch_size=None, sampler=Steps(config.steps, lambda: 0)))
    return module.eval()


def tested(eyes: Eyes, condition: str) -> Tested:
    """Strips of `eyes` under `condition`, one draw of errors per picture."""
    strips, contexts, undone = [], [], []
    for number, eye in enumerate(eyes.eyes):
        if not isinstance(eye, EyeCrop):
            raise click.UsageError("photographs are needed, not strips")
        rng = np.random.default_rng((number, CONDITIONS.index(condition)))
        wrong = Perturbation(
            roll_rad=ROLL_RAD * rng.uniform(-1, 1) * (condition in ("roll", "all")),
            shift=LENGTH * rng.uniform(-1, 1, (2, 2)) * (condition in ("centres", "all")),
            scale=LENGTH * rng.uniform(-1, 1, 2) * (condition in ("radii", "all")),
            shape=np.zeros((2, 2)),
        )
        stretch = DILATION * rng.uniform(-1, 1) * (condition in ("dilation", "all"))
        sample = (stretched(eye, stretch) if stretch else eye).sample(wrong, SIZE)
        strips.append(sample.strip)
        contexts.append(sample.context.planes())
        undone.append(eye.strip(NONE, SIZE))
    return Tested(strips, np.stack(contexts), undone)


def stretched(eye: EyeCrop, amount: float) -> EyeCrop:
    """`eye` with its iris stretched: what is at the radius r + amount r (1 - r) of the ring comes to lie at r."""
    pupil, limbus = eye.used
    y, x = np.mgrid[: eye.image.shape[0], : eye.image.shape[1]].astype(float)
    angle, radius = np.arctan2(y - pupil.y, x - pupil.x), np.hypot(y - pupil.y, x - pupil.x)
    inner = pupil.radius(angle)
    # From the pupil's centre along the angle to the limbus, taken as a circle.
    along = np.cos(angle) * (limbus.x - pupil.x) + np.sin(angle) * (limbus.y - pupil.y)
    apart = (limbus.x - pupil.x) ** 2 + (limbus.y - pupil.y) ** 2
    outer = along + np.sqrt(np.maximum(along**2 - apart + limbus.mean_radius**2, 0))
    share = np.clip((radius - inner) / np.maximum(outer - inner, 1), 0, 1)
    moved = amount * share * (1 - share) * (outer - inner)
    places = (x + moved * np.cos(angle)).astype(np.float32), (y + moved * np.sin(angle)).astype(np.float32)
    image = cv2.remap(eye.image, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return replace(eye, image=image.astype(np.uint8, copy=False))


@torch.no_grad()
def seen_by(rectifier: Rectifier | None, test: Tested) -> list[Strip]:
    """The strips of `test` as they come out of the STN; as they are where there is none."""
    if rectifier is None:
        return test.strips
    images, usable = to_tensors(test.strips)
    contexts = torch.from_numpy(test.contexts)
    found: list[Strip] = []
    for i in range(0, len(images), 64):
        warped = rectifier.warp(images[i : i + 64], usable[i : i + 64], contexts[i : i + 64])
        found += to_strips(warped.image, usable[i : i + 64] if warped.usable is None else warped.usable)
    return found


def rates_of(run: Path, tests: dict[str, Tested], eyes: list[str]) -> Rates:
    """Error rates of the recogniser in the folder `run`, and of plain codes behind its STN, by "condition/method"."""
    network = StripNet.load(run)
    rectifier = Rectifier.load(run) if (run / RECTIFIER).exists() else None
    rates: Rates = {}
    for condition, test in tests.items():
        strips = seen_by(rectifier, test)
        rates[f"{condition}/cnn"] = evaluate_embeddings(network.embed(strips), eyes, resamples=0).as_dict()
        if rectifier is None:
            rates[f"{condition}/cnn oracle"] = evaluate_embeddings(
                network.embed(test.undone), eyes, resamples=0
            ).as_dict()
            continue
        for shift in (0, 16):
            rates[f"{condition}/code ±{shift}"] = evaluate_codes(strips, eyes, max_shift=shift, resamples=0).as_dict()
    return rates


def plain_rates(tests: dict[str, Tested], eyes: list[str]) -> Rates:
    """Error rates of plain codes that need no training, with intervals."""
    rates: Rates = {}
    for condition, test in tests.items():
        for name, strips in (("code", test.strips), ("oracle", test.undone)):
            for shift in (0, 16):
                rates[f"{condition}/{name} ±{shift}"] = evaluate_codes(strips, eyes, max_shift=shift).as_dict()
    return rates


def main(out: Path, *, eyes: Path | None = None, seeds: int = 3, steps: int = 150) -> dict[str, Rates]:
    """Train and test what is not yet in `out`; the rates of each run by its name, "plain" those without training."""
    found: dict[str, Rates] = {}
    training, testing = _eyes(eyes, out)
    few = range(min(_TESTED, len(testing.labels)))  # pictures of one eye lie side by side: whole eyes are taken
    testing = Eyes([testing.eyes[i] for i in few], testing.labels[: len(few)], upright=testing.upright)
    owners = [str(label) for label in testing.labels]
    tests = {condition: tested(testing, condition) for condition in CONDITIONS}
    found["plain"] = _kept(out / "plain.json", partial(plain_rates, tests, owners))
    for seed in range(seeds):
        for network in NETWORKS:
            run = out / f"{network}-{seed}-{steps}"
            if not (run / RECOGNIZER).exists():
                module = fit(network, training, config_of(network, seed, steps))
                run.mkdir(parents=True, exist_ok=True)
                if module.rectifier is not None:
                    module.rectifier.save(run / RECTIFIER)
                if module.averaged is not None:
                    module.averaged.save(run / RECOGNIZER)
            found[f"{network}-{seed}"] = _kept(run / "rates.json", partial(rates_of, run, tests, owners))
            click.echo(f"{network}, seed {seed}: done", err=True)
    return found


def _eyes(folder: Path | None, out: Path) -> tuple[Eyes, Eyes]:
    """Eyes to train on, and eyes of other people to test with."""
    if folder is not None:
        order = read_eyes(folder, labels=None, held_out=0.5, seed=0, progress=lambda what, done, of: None)
        return order[0], order[1]
    config = RenderedConfig(identities=512, cameras=NEAR_INFRARED, segmented=0.8, keep=out.parent / "pool")
    with RenderedEyes(config, 0, config.folder(0, out)) as rendered:
        return Eyes(*rendered.training(config.identities), upright=True), Eyes(*rendered.validation(), upright=True)


def _kept(path: Path, make: Callable[[], Rates]) -> Rates:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(path, json.dumps(make(), indent=1).encode())
    rates: Rates = json.loads(path.read_bytes())
    return rates


def sizes() -> dict[str, int]:
    """Parameters of what is trained."""
    counts = {}
    for network in NETWORKS:
        config = config_of(network, 0, 1)
        parts = RecognitionModule(config, 2)
        trained = (parts.recognizer, parts.rectifier)
        counts[network] = sum(p.numel() for part in trained if part is not None for p in part.parameters())
    return counts


def table(found: dict[str, Rates]) -> str:
    """FNMR at FMR 1e-3 in %, a line per method, a column per condition."""
    first = found["plain"]["natural/code ±0"]
    lines = [
        f"{first['mated']:.0f} mated, {first['non_mated']:.0f} non_mated comparisons, {first['subjects']:.0f} eyes",
        f"{'method':<22}" + "".join(f"{condition:<22}" for condition in CONDITIONS),
    ]
    for name in ("code ±0", "code ±16", "oracle ±0", "oracle ±16"):
        lines.append(_line(name, [_interval(found["plain"][f"{condition}/{name}"]) for condition in CONDITIONS]))
    for network in NETWORKS:
        runs = [rates for name, rates in found.items() if name.startswith(f"{network}-")]
        methods = ("cnn", "cnn oracle") if network == "none" else ("code ±0", "code ±16", "cnn")
        for method in methods if runs else ():
            cells = [_spread([rates[f"{c}/{method}"]["fnmr@0.001"] for rates in runs]) for c in CONDITIONS]
            lines.append(_line(f"{network}: {method}", cells))
    return "\n".join(lines)


def _line(name: str, cells: list[str]) -> str:
    return f"{name:<22}" + "".join(f"{cell:<22}" for cell in cells)


def _interval(rates: dict[str, float]) -> str:
    value, low, high = (100 * rates[f"fnmr@0.001{end}"] for end in ("", "_low", "_high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _spread(values: list[float]) -> str:
    return f"{100 * np.mean(values):.1f} ({100 * min(values):.1f}-{100 * max(values):.1f})"


@click.command()
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the runs.")
@click.option("--eyes", type=click.Path(path_type=Path, exists=True), help="Own eyes.  [default: rendered ones]")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--steps", default=150, show_default=True, type=click.IntRange(1))
@click.option("--json", "file", type=click.Path(path_type=Path), help="Also write the figures to this file.")
def cli(out: Path, eyes: Path | None, seeds: int, steps: int, file: Path | None) -> None:
    """Compare recognisers with and without an STN, at equal parameters and budget."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    click.echo("parameters: " + ", ".join(f"{name} {count:,}" for name, count in sizes().items()))
    found = main(out, eyes=eyes, seeds=seeds, steps=steps)
    click.echo(table(found))
    if file is not None:
        file.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    cli()
