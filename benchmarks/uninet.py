"""Rectification before a public recognition network that this project did not train: UniNet (Zhao & Kumar 2017).

    python benchmarks/uninet.py EYES --uninet CLONE [--weights ND] [--subjects N]

CLONE is a clone of Debatrix/UniNet-Pytorch, a port of the authors' networks to PyTorch with their weights, which may be
used for research only; nothing of it is part of this project. Its feature network turns a strip into a map, which is
compared by its own rule: a bit is 1 above the map's mean, and usable where the map is more than 0.6 away from its mean
and the mask network and the strip's mask say so; the score is the fraction of usable bits that differ.

Conditions and methods are those of `benchmarks/rectification.py`, without an error and with both kinds. Maps are
compared once without a shift, and with a search over ±16 shifts of 1.4 degrees.
"""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import click
import cv2
import numpy as np
import torch
from labelled_eyes import labelled_images
from numpy.typing import NDArray
from rectification import METHODS, random_of, results_table, strips_by_method, table
from results_file import results_option, slug, write_results

from irisstn import Rectifier, Strip, read_gray
from irisstn.evaluation import compare_all, error_rates
from irisstn.geometry import Bool
from irisstn.strip_conventions import CONVENTIONS

CONDITIONS = ("unchanged", "moved and turned")  # a picture takes a second; errors of one kind lie between these
SHIFTS = {"±0": 0, "±16": 16}
COLUMNS_PER_SHIFT = 2  # 1.4 degrees of 512 columns
WEAK = 0.6  # features that are nearer to the map's mean are not compared (section 3.3 of the paper)
_LIMITS = (0.05, 0.95)  # quantiles to which the contrast is stretched

Encoder = Callable[[Strip], tuple[Bool, Bool]]


def load_uninet(clone: Path, weights: str) -> Encoder:
    """Load the feature network and the mask network.

    Parameters
    ----------
    clone : Path
        A clone of Debatrix/UniNet-Pytorch.
    weights : str
        The set that they were trained on: "ND", "CASIA", "IITD" or "WVU".

    Returns
    -------
    callable
        Turns a strip into bits and their mask, each (64, 512).
    """
    spec = importlib.util.spec_from_file_location("uninet_model", clone / "model.py")
    if spec is None or spec.loader is None:
        raise click.UsageError(f"{clone} has no model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    networks = []
    for kind in ("FeatNet", "MaskNet"):
        network: torch.nn.Module = getattr(module, kind)()
        file = clone / "models" / f"UniNet_{weights}_{kind}.pth"
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        networks.append(network.eval())

    @torch.no_grad()
    def encode(strip: Strip) -> tuple[Bool, Bool]:
        image = CONVENTIONS["masek"].from_own(strip.image).astype(np.float32)  # UniNet's strips are Masek's
        visible = CONVENTIONS["masek"].from_own(strip.usable)
        low, high = np.quantile(image[visible] if visible.any() else image, _LIMITS)
        stretched = np.clip((image - low) / max(float(high - low), 1.0), 0, 1)
        given = torch.from_numpy(stretched.astype(np.float32))[None, None]
        features, mask = networks[0](given)[0, 0].numpy(), networks[1](given)[0].numpy()
        away = features - features.mean()
        return away > 0, (np.abs(away) > WEAK) & (mask[1] > mask[0]) & visible

    return encode


def distances(codes: list[tuple[Bool, Bool]], max_shift: int) -> NDArray[np.float32]:
    """Fractions of the usable bits that differ, the least over all shifts; 1 where no bit is usable in both.

    Parameters
    ----------
    codes : list of (ndarray of bool, ndarray of bool), length N
        Bits and masks, each (64, 512).
    max_shift : int
        Shifts of `COLUMNS_PER_SHIFT` columns to either side.

    Returns
    -------
    ndarray of float32, shape (N, N)
        Symmetric.
    """
    masks = np.stack([mask for _, mask in codes]).astype(np.float32)
    signs = np.stack([np.where(bits, mask, -1.0 * mask) for bits, mask in codes]).astype(np.float32)
    n = len(codes)
    best = np.ones((n, n), np.float32)
    for shift in range(max_shift + 1):
        turned = [np.roll(maps, COLUMNS_PER_SHIFT * shift, axis=2).reshape(n, -1) for maps in (signs, masks)]
        agreement, count = turned[0] @ signs.reshape(n, -1).T, turned[1] @ masks.reshape(n, -1).T
        different = np.where(count > 0, 0.5 - 0.5 * agreement / np.maximum(count, 1), 1)
        best = np.minimum(best, np.minimum(different, different.T))  # the transpose is the shift the other way
    return best


def main(eyes: Path, encode: Encoder, *, subjects: int | None = None) -> dict[str, dict[str, float]]:
    """Measure the error rates of each condition, method and comparison.

    Parameters
    ----------
    eyes : Path
        Folder of images.
    encode : callable
        What `load_uninet` returns.
    subjects : int or None
        Number of subjects. None: all.

    Returns
    -------
    dict of str to dict of str to float
        `ErrorRates.as_dict` by "condition/method/comparison", such as "unchanged/rectified/±0".
    """
    rectifier = Rectifier.load()
    codes: dict[tuple[str, str], list[tuple[Bool, Bool]]] = defaultdict(list)
    names: dict[str, list[str]] = defaultdict(list)
    people: dict[str, list[str]] = defaultdict(list)
    failed: dict[str, list[str]] = defaultdict(list)
    for sample, label in labelled_images(eyes, subjects):
        image, eye = read_gray(sample.path), label.eye_name
        for condition in CONDITIONS:
            made = dict(strips_by_method(image, condition, random_of(sample, condition), rectifier))
            if not made:
                failed[condition].append(eye)
                continue
            names[condition].append(eye)
            people[condition].append(label.subject)
            for method in METHODS:
                codes[condition, method].append(encode(made[method][0]))
    rates = {}
    for (condition, method), found in codes.items():
        for compared, shift in SHIFTS.items():
            matrix = distances(found, shift)
            part = compare_all(matrix, names[condition], subjects=people[condition], failed=failed[condition])
            rates[f"{condition}/{method}/{compared}"] = error_rates(part).as_dict()
    return rates


@click.command()
@click.argument("eyes", type=click.Path(path_type=Path, exists=True))
@click.option("--uninet", required=True, type=click.Path(path_type=Path, exists=True), help="Clone of UniNet-Pytorch.")
@click.option("--weights", default="ND", show_default=True, help="The set that UniNet was trained on.")
@click.option("--subjects", type=click.IntRange(2), help="Only the first so many subjects.")
@click.option("--name", help="Name of the eyes in the results.  [default: the folder's name]")
@results_option
def cli(*, eyes: Path, uninet: Path, weights: str, subjects: int | None, name: str | None, results: bool) -> None:
    """Measure on the images in the folder EYES."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rates = main(eyes, load_uninet(uninet, weights), subjects=subjects)
    click.echo(table(rates))
    if results:
        title = name or eyes.name
        command = f"python benchmarks/uninet.py EYES --uninet CLONE --weights {weights}"
        command += f" --subjects {subjects}" * (subjects is not None)
        write_results(f"uninet-{slug(title)}", command, [results_table(title, rates)])


if __name__ == "__main__":
    cli()
