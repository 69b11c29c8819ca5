"""Effect of rectification on recognition: iris codes and CNN embeddings of the same eyes, rectified and not.

    python benchmarks/rectification.py EYES [--model RUN] [--recognizer RUN] [--subjects N] [--align N] [--json FILE]

EYES is a folder of eye images whose identities follow from names and folders (`irisstn synth` makes one). Each image is
segmented by `irisstn.segment`. The conditions add errors, one random draw for each image, seeded by its name:

    unchanged           no errors are added
    turned              the image is rotated by up to ±15 degrees before it is segmented
    moved               boundaries are wrong: centres by up to ±4 % of the iris radius in x and y, radii by up to ±4 %
    moved and turned    both

Methods: `rubber sheet`; `rectified`, sampled once from the image; `errors removed`, the rubber sheet with the added
errors removed exactly (the eye's own roll remains). Iris codes are compared once without a shift, and with a search
over ±16 shifts of 1.4 degrees; embeddings of the CNN are compared once. For the codes the roll is corrected as by
`irisstn rectify`, for the CNN as by `irisstn embed`, which corrects more of it. Images without a segmentation count as
rejected.

With --align N a third comparison of iris codes is measured, `aligned`: the probe is rotated onto its reference by
`Rectifier.align_eye` and compared once, for all mated pairs and N random non-mated ones. This is slow and therefore
limited to `unchanged` and `moved and turned`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import click
import cv2
import numpy as np
import torch
from labelled_eyes import labelled_images
from results_file import Table, rates_figure, results_option, slug, write_results

from irisstn import IrisError, Rectifier, Segmentation, Strip, normalize, read_gray, segment
from irisstn.datasets import Label, Sample
from irisstn.evaluation import Comparisons, ErrorRates, compare_all, error_rates, evaluate_codes, evaluate_embeddings
from irisstn.geometry import Gray
from irisstn.normalization import ring_grid, sample_ring
from irisstn.recognition import StripNet, distance, encode
from irisstn.rectification import EMBEDDING_ROLL_PRIOR_DEG
from irisstn.training.data.boundary_errors import NO_ERRORS

CONDITIONS = ("unchanged", "turned", "moved", "moved and turned")
ALIGNED = ("unchanged", "moved and turned")
METHODS = ("rubber sheet", "rectified", "errors removed")
FOR_CNN = "rectified for the CNN"
COMPARED = ("±0", "±16", "CNN")  # iris codes with their shifts, and the CNN
SIZE = (64, 512)
MAX_TURN_RAD, MAX_SHIFT = np.deg2rad(15.0), 0.04  # the shift in iris radii


@dataclass
class _Set:
    """Strips of one condition and method, and their identities."""

    strips: list[Strip] = field(default_factory=list)
    eyes: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    found: list[tuple[Gray, Segmentation]] = field(default_factory=list)  # images, for alignment


def main(
    eyes: Path,
    *,
    model: Path | None = None,
    recognizer: Path | None = None,
    subjects: int | None = None,
    align: int = 0,
) -> dict[str, dict[str, float]]:
    """Measure the error rates of each condition, method and comparison.

    Parameters
    ----------
    eyes : Path
        Folder of images.
    model, recognizer : Path or None
        Weights or runs of the rectifier and of the CNN. None: those that irisstn ships.
    subjects : int or None
        Number of subjects. None: all.
    align : int
        Number of non-mated pairs that are aligned. 0: no alignment.

    Returns
    -------
    dict of str to dict of str to float
        `ErrorRates.as_dict` by "condition/method/comparison", such as "unchanged/rectified/±0".
    """
    rectifier, network = Rectifier.load(model), StripNet.load(recognizer)
    sets = {(condition, method): _Set() for condition in CONDITIONS for method in (*METHODS, FOR_CNN)}
    for sample, label in labelled_images(eyes, subjects):
        _add(sets, sample, label, rectifier, kept=align > 0)
    rates = {}
    for condition, method, compared in product(CONDITIONS, METHODS, COMPARED):
        strips = FOR_CNN if (method, compared) == ("rectified", "CNN") else method
        rates[f"{condition}/{method}/{compared}"] = _rates(sets[condition, strips], compared, network).as_dict()
    if align:
        for condition in ALIGNED:
            comparisons = _aligned(sets[condition, "rectified"], rectifier, align)
            rates[f"{condition}/rectified/aligned"] = error_rates(comparisons).as_dict()
    return rates


def _rates(part: _Set, compared: str, network: StripNet) -> ErrorRates:
    if compared == "CNN":
        vectors = network.embed(part.strips)
        return evaluate_embeddings(vectors, part.eyes, subjects=part.subjects, failed=part.failed)
    shift = int(compared.removeprefix("±"))
    return evaluate_codes(part.strips, part.eyes, max_shift=shift, subjects=part.subjects, failed=part.failed)


def _aligned(part: _Set, rectifier: Rectifier, non_mated: int) -> Comparisons:
    """All mated pairs of `part` and so many non-mated ones, the second of each rotated onto the first."""
    n = len(part.eyes)
    codes = [encode(strip) for strip in part.strips]
    first, second = np.triu_indices(n, 1)
    eye = np.unique(part.eyes, return_inverse=True)[1]
    same = eye[first] == eye[second]
    others = np.random.default_rng(0).permutation(np.flatnonzero(~same))[:non_mated]
    values = np.full((n, n), np.nan)
    for pair in [*np.flatnonzero(same), *others]:
        i, j = int(first[pair]), int(second[pair])
        turned = rectifier.align_eye(*part.found[j], part.strips[i], SIZE).strip
        values[i, j] = distance(codes[i], encode(turned))
    comparisons = compare_all(values, part.eyes, subjects=part.subjects, failed=part.failed)
    measured = ~np.isnan(comparisons.non_mated)
    return replace(
        comparisons,
        non_mated=comparisons.non_mated[measured],
        non_mated_subjects=comparisons.non_mated_subjects[measured],
    )


def _add(sets: dict[tuple[str, str], _Set], sample: Sample, label: Label, rectifier: Rectifier, *, kept: bool) -> None:
    image = read_gray(sample.path)
    for condition in CONDITIONS:
        made = dict(strips_by_method(image, condition, random_of(sample, condition), rectifier))
        for method in (*METHODS, FOR_CNN):
            part = sets[condition, method]
            if method in made:
                strip, ring = made[method]
                part.strips.append(strip)
                if kept and method == "rectified" and condition in ALIGNED:
                    part.found.append(ring)
                part.eyes.append(label.eye_name)
                part.subjects.append(label.subject)
            else:
                part.failed.append(label.eye_name)


def random_of(sample: Sample, condition: str) -> np.random.Generator:
    """The source of an image's errors, seeded by its name and the condition."""
    seed = int.from_bytes(hashlib.sha256(sample.name.encode()).digest()[:8])
    return np.random.default_rng((seed, CONDITIONS.index(condition)))


def strips_by_method(
    image: Gray, condition: str, rng: np.random.Generator, rectifier: Rectifier
) -> Iterator[tuple[str, tuple[Strip, tuple[Gray, Segmentation]]]]:
    """Make the strips of one image under one condition.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The image.
    condition : str
        One of `CONDITIONS`.
    rng : numpy.random.Generator
        From `random_of`.
    rectifier : Rectifier
        The rectifier.

    Yields
    ------
    (method, (strip, its source))
        For each of `METHODS` and `FOR_CNN`; nothing where segmentation fails.
    """
    turn = MAX_TURN_RAD * rng.uniform(-1, 1) if condition in ("turned", "moved and turned") else 0.0
    shown = _turned(image, turn) if turn else image
    try:
        right = segment(shown)
    except IrisError:
        return
    wrong = _moved(right, rng) if condition in ("moved", "moved and turned") else right
    yield "rubber sheet", (normalize(shown, wrong, SIZE), (shown, wrong))
    yield "rectified", (rectifier.rectify_eye(shown, wrong, SIZE).strip, (shown, wrong))
    for_cnn = rectifier.with_roll("auto", EMBEDDING_ROLL_PRIOR_DEG)
    yield FOR_CNN, (for_cnn.rectify_eye(shown, wrong, SIZE).strip, (shown, wrong))
    radius, angle = ring_grid(SIZE)
    yield "errors removed", (sample_ring(shown, right, (radius, angle + turn)), (shown, right))


def _turned(image: Gray, turn_rad: float) -> Gray:
    """The image rotated clockwise about its centre."""
    height, width = image.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -np.rad2deg(turn_rad), 1.0)
    turned = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return turned.astype(np.uint8, copy=False)


def _moved(segmentation: Segmentation, rng: np.random.Generator) -> Segmentation:
    shift, scale = MAX_SHIFT * rng.uniform(-1, 1, (2, 2)), MAX_SHIFT * rng.uniform(-1, 1, 2)
    return replace(NO_ERRORS, shift=shift, scale=scale).apply(segmentation)


def table(rates: dict[str, dict[str, float]]) -> str:
    """Format the rates as text, in % with 95 % intervals.

    Parameters
    ----------
    rates : dict of str to dict of str to float
        Result of `main`.

    Returns
    -------
    str
        One line for each condition, method and comparison.
    """
    first = next(iter(rates.values()))
    lines = [
        f"{first['mated']:.0f} mated and {first['non_mated']:.0f} non-mated comparisons of {first['subjects']:.0f} "
        f"subjects, {100 * first['failure_to_enrol']:.2f} % not enrolled; in % [95 % interval]",
        f"{'condition':<18}{'method':<16}{'':>8}  {'EER':<22}{'FNMR at FMR 1e-3':<22}",
    ]
    for name, row in rates.items():
        condition, method, compared = name.split("/")
        figures = [
            f"{100 * row[key]:.2f} [{100 * row[key + '_low']:.2f}, {100 * row[key + '_high']:.2f}]"
            for key in ("eer", "fnmr@0.001")
        ]
        lines.append(f"{condition:<18}{method:<16}{compared:>8}  {figures[0]:<22}{figures[1]:<22}")
    return "\n".join(lines)


def results_table(name: str, rates: dict[str, dict[str, float]]) -> Table:
    """Convert the rates to a table for `write_results`.

    Parameters
    ----------
    name : str
        Name of the eyes.
    rates : dict of str to dict of str to float
        Result of `main`.

    Returns
    -------
    Table
        One row for each condition, method and comparison.
    """
    first = next(iter(rates.values()))
    return Table(
        f"{name}: {first['mated']:.0f} mated and {first['non_mated']:.0f} non-mated comparisons of "
        f"{first['subjects']:.0f} subjects; 95 % bootstrap intervals over subjects",
        ["condition", "method", "comparison", "EER", "FNMR at FMR 1e-3"],
        [[*key.split("/"), rates_figure(row, "eer"), rates_figure(row, "fnmr@0.001")] for key, row in rates.items()],
    )


@click.command()
@click.argument("eyes", type=click.Path(path_type=Path, exists=True))
@click.option("--model", type=click.Path(path_type=Path), help="Weights or run.  [default: those irisstn ships]")
@click.option("--recognizer", type=click.Path(path_type=Path), help="The same for the CNN.")
@click.option("--subjects", type=click.IntRange(2), help="Only the first so many subjects.")
@click.option("--align", default=0, show_default=True, help="Also align so many non-mated pairs, and all mated ones.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Also write the figures to this file.")
@click.option("--name", help="Name of the eyes in the results.  [default: the folder's name]")
@results_option
def cli(
    *,
    eyes: Path,
    model: Path | None,
    recognizer: Path | None,
    subjects: int | None,
    align: int,
    out: Path | None,
    name: str | None,
    results: bool,
) -> None:
    """Compare rectified strips with rubber sheets, with errors added and without."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)  # batches of one strip are too small for several threads
    rates = main(eyes, model=model, recognizer=recognizer, subjects=subjects, align=align)
    click.echo(table(rates))
    if out is not None:
        out.write_text(json.dumps(rates, indent=1), encoding="utf-8")
    if results:
        command = "python benchmarks/rectification.py EYES"
        command += f" --subjects {subjects}" * (subjects is not None) + f" --align {align}" * (align > 0)
        command += " --model RUN" * (model is not None) + " --recognizer RUN" * (recognizer is not None)
        name = name or eyes.name
        click.echo(write_results(f"rectification-{slug(name)}", command, [results_table(name, rates)]))


if __name__ == "__main__":
    cli()
