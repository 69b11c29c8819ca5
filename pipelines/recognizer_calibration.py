"""The calibration of a recogniser, and of the iris code, on rendered eyes that look alike.

    python pipelines/recognizer_calibration.py -o OUT [--model RUN] [--groups N] [--eyes N] [--share S]

A false match rate is about eyes in front of one camera. They share light, eyelids and lashes, and what is left of these
in a strip makes two different eyes more similar than two random pictures of random cameras. So non-mated comparisons
are made within groups: in a group all that belongs to the anatomy, the camera and the scene is the same, and only the
textures of the irises differ. Mated comparisons are of two independent captures. Groups take the cameras in turn, and
every second turn is degraded: smaller, blurred, noisy. All pictures are segmented and rectified as by `irisstn embed`.

A rate has to hold for each camera, not for the mean of all. So non-mated similarities are those of the groups in which
they reach highest, a quarter of all, by the 99th percentile.

The strips of each group are kept in OUT/groups: a command that was killed goes on, and one with another --model renders
nothing anew. Delete them when the renderer or the segmentation has changed; other weights of the rectifier are noticed.
OUT/recognizer.json and OUT/iris_code.json result.
"""

from __future__ import annotations

import math
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray

from irisstn import Rectifier, Strip, segment
from irisstn.errors import IrisError
from irisstn.files import write_bytes_atomic
from irisstn.recognition import CODE_SHIFTS, IRIS_CODE, Calibration, StripNet, distances, encode
from irisstn.rectification import EMBEDDING_ROLL_PRIOR_DEG
from irisstn.synthetic import CAMERAS, Camera, Capture, Identity, render, sample_capture
from irisstn.training import DegradationConfig, degrade
from irisstn.weights import CALIBRATION, CODE_CALIBRATION

_SEED = 0xCA11B  # of the groups
_FIRST_EYE = 1 << 52  # seeds of eyes that neither training nor whitening uses
_MATED = 3  # every third eye of a group is captured twice
_NEAR_INFRARED = [camera for camera in CAMERAS.values() if not camera.colour]


def degradation_of(rng: np.random.Generator) -> DegradationConfig:
    """One way to degrade all pictures of a group."""
    radius, blur, contrast, noise = (float(rng.uniform(*ends)) for ends in ((40, 75), (0, 1.2), (0.45, 1), (0, 5)))
    return DegradationConfig(
        radius_px=(radius, radius), blur_px=(blur, blur), contrast=(contrast, contrast), noise=(noise, noise)
    )


def strip_of(
    identity: Identity, capture: Capture, rectifier: Rectifier, poor: DegradationConfig | None, seed: int
) -> Strip | None:
    """Render, segment and rectify a picture; None where segmentation refuses it."""
    eye = render(identity, capture)
    image, truth = eye.image, eye.truth
    if poor is not None:
        image, truth = degrade(image, truth, np.random.default_rng(seed), poor)
    try:
        return rectifier.rectify_eye(image, segment(image)).strip
    except IrisError:
        return None


def group_of(number: int, eyes: int, rectifier: Rectifier) -> tuple[list[Strip], list[tuple[Strip, Strip]]]:
    """Strips of `eyes` eyes that look alike, and pairs of strips of one eye."""
    rng = np.random.default_rng([_SEED, number])
    camera: Camera = _NEAR_INFRARED[number % len(_NEAR_INFRARED)]
    anatomy = Identity.from_seed(_FIRST_EYE - 1 - number).anatomy
    # Glasses at one and the same place would be more than eyes of one camera share.
    scene = replace(sample_capture(rng, camera), glasses=False, contact_lens=False)
    poor = degradation_of(rng) if (number // len(_NEAR_INFRARED)) % 2 else None
    alike: list[Strip] = []
    mated: list[tuple[Strip, Strip]] = []
    for i in range(eyes):
        seed = _FIRST_EYE + number * (1 << 20) + i
        identity = replace(Identity.from_seed(seed), anatomy=anatomy)
        other = sample_capture(np.random.default_rng([_SEED, number, i]), camera)
        strip = strip_of(identity, replace(scene, seed=other.seed), rectifier, poor, seed)
        if strip is None:
            continue
        alike.append(strip)
        again = strip_of(identity, other, rectifier, poor, seed + (1 << 19)) if i % _MATED == 0 else None
        if again is not None:
            mated.append((strip, again))
    return alike, mated


def stored_group(
    folder: Path, number: int, eyes: int, rectifier: Rectifier
) -> tuple[list[Strip], list[tuple[Strip, Strip]]]:
    """`group_of` from its file in `folder`, which is written where it is missing."""
    kept = folder / f"{number}-{eyes}-{rectifier.weights_sha256[:12]}.npz"
    if not kept.exists():
        alike, mated = group_of(number, eyes, rectifier)
        strips = [*alike, *(strip for pair in mated for strip in pair)]
        images = np.array([strip.image for strip in strips], np.uint8)
        usable = np.array([strip.usable for strip in strips], np.bool_)
        content = BytesIO()
        np.savez(content, alike=len(alike), images=images, usable=usable)
        write_bytes_atomic(kept, content.getvalue())
    with np.load(kept) as stored:
        count = int(stored["alike"])
        strips = [Strip(*planes) for planes in zip(stored["images"], stored["usable"], strict=True)]
    return strips[:count], list(zip(strips[count::2], strips[count + 1 :: 2], strict=True))


def measured(alike: list[Strip], mated: list[tuple[Strip, Strip]], network: StripNet) -> dict[str, Any]:
    """Similarities of a group by name: non-mated and mated ones, by the network and by the iris code."""
    first, second = np.triu_indices(len(alike), 1)
    embeddings, codes = network.embed(alike), [encode(strip) for strip in alike]
    code = distances(codes, max_shift=CODE_SHIFTS)[first, second]
    pairs = [(network.embed(list(pair)), [encode(strip) for strip in pair]) for pair in mated]
    return {
        "non_mated": (embeddings @ embeddings.T)[first, second],
        "mated": np.array([float(a @ b) for (a, b), _ in pairs]),
        "non_mated_code": 1 - 2 * code,
        "mated_code": np.array([1 - 2 * distances([a], [b], max_shift=CODE_SHIFTS)[0, 0] for _, (a, b) in pairs]),
    }


def _highest(similarities: NDArray[np.floating]) -> float:
    return float(np.quantile(similarities, 0.99))


@click.command(help=__doc__)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path, exists=True), help="Weights or run.  [default: the shipped]")
@click.option("--groups", default=64, show_default=True, type=click.IntRange(1))
@click.option("--eyes", default=40, show_default=True, type=click.IntRange(2), help="Eyes of a group.")
@click.option("--share", default=0.25, show_default=True, type=click.FloatRange(0, 1, min_open=True), help="See above.")
def main(*, out: Path, model: Path | None, groups: int, eyes: int, share: float) -> None:
    """Render, embed, compare, fit."""
    torch.set_num_threads(1)
    network = StripNet.load(model)
    rectifier = Rectifier.load().with_roll("auto", EMBEDDING_ROLL_PRIOR_DEG)
    folder = out / "groups"
    folder.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
    for number in range(groups):
        found.append(measured(*stored_group(folder, number, eyes, rectifier), network))
        scores = found[-1]["non_mated"]
        if not len(scores):
            click.echo(f"group {number}: no picture was segmented")
            continue
        click.echo(f"group {number}: {len(scores)} comparisons, mean {scores.mean():.3f}, sd {scores.std():.3f}")
    for suffix, name, owner in (("", CALIBRATION, network.weights_sha256), ("_code", CODE_CALIBRATION, IRIS_CODE)):
        parts = sorted((part["non_mated" + suffix] for part in found if len(part["non_mated"])), key=_highest)
        non_mated = np.concatenate(parts[-math.ceil(share * len(parts)) :])
        mated = np.concatenate([part["mated" + suffix] for part in found])
        calibration = Calibration.of(mated, non_mated)
        calibration.save(out / name, owner)
        click.echo(
            f"{name}: {len(mated)} mated, {len(non_mated)} non-mated comparisons; thresholds at FMR 1e-3, 1e-6: "
            f"{calibration.threshold(1e-3):.3f}, {calibration.threshold(1e-6):.3f}"
        )


if __name__ == "__main__":
    main()
