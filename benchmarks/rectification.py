"""What rectification does for recognition: plain iris codes and the CNN on the same eyes, rectified and not.

    python benchmarks/rectification.py EYES [--model RUN] [--recognizer RUN] [--subjects N] [--align N] [--json FILE]

EYES is a folder of eye pictures whose names or folders progress whose eye they show (`irisstn synth` makes one). Each
picture is segmented by `irisstn.segment`; conditions are put on top of that, one draw per picture, seeded by its name:

    natural     the picture as it is
    turned      the photograph turned by up to +-15 degrees before it is segmented
    moved       boundaries moved: centres up to +-4 % of the iris radius (4 px at 100), radii up to +-4 %
    both        turned and moved

Methods: `none` = the rubber sheet; `stn` = the rectifier, sampled once from the photograph; `undone` = the rubber sheet
with the condition's own errors taken back exactly (the eye's natural roll stays). Plain codes
are compared once, without a shift, and with a search over +-16 shifts of 1.4 degrees; embeddings of the CNN once.
Pictures without a segmentation count as rejected.

With --align N a third way of comparing plain codes is measured, `align`: the probe is turned onto its reference by
`Rectifier.align_eye` and compared once; all mated pairs, and N pairs of two eyes drawn at random. That is slow, so it
is done for `natural` and `both` alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
import cv2
import numpy as np
import torch

from irisstn import IrisError, Rectifier, Segmentation, Strip, normalize, read_gray, segment
from irisstn.datasets import Label, Sample, find_images, label_of
from irisstn.evaluation import Comparisons, ErrorRates, compare_all, error_rates, evaluate_codes, evaluate_embeddings
from irisstn.geometry import Gray
from irisstn.normalization import ring_grid, sample_ring
from irisstn.recognition import StripNet, distance, encode
from irisstn.training.data.boundary_errors import Perturbation

CONDITIONS = ("natural", "turned", "moved", "both")
ALIGNED = ("natural", "both")
METHODS = ("none", "stn", "undone")
COMPARED = ("±0", "±16", "cnn")  # plain codes with their shifts, and the CNN
SIZE = (64, 512)
TURN_RAD, MOVED = np.deg2rad(15.0), 0.04


@dataclass
class _Set:
    """Strips of one condition and method, and whose they are."""

    strips: list[Strip] = field(default_factory=list)
    eyes: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    found: list[tuple[Gray, Segmentation]] = field(default_factory=list)  # the pictures and their rings, to be aligned


def main(
    eyes: Path,
    *,
    model: Path | None = None,
    recognizer: Path | None = None,
    subjects: int | None = None,
    align: int = 0,
) -> dict[str, dict[str, float]]:
    """The error rates of each condition, method and comparison, named "natural/stn/±0"."""
    rectifier, network = Rectifier.load(model), StripNet.load(recognizer)
    samples = [(sample, label) for sample in find_images([eyes]) if (label := label_of(sample.name)) is not None]
    kept = sorted({label.subject for _, label in samples})[:subjects]
    sets = {(condition, method): _Set() for condition in CONDITIONS for method in METHODS}
    for sample, label in samples:
        if label.subject in kept:
            _add(sets, sample, label, rectifier, kept=align > 0)
    rates = {
        f"{condition}/{method}/{compared}": _rates(part, compared, network).as_dict()
        for (condition, method), part in sets.items()
        for compared in COMPARED
    }
    if align:
        for condition in ALIGNED:
            comparisons = _aligned(sets[condition, "stn"], rectifier, align)
            rates[f"{condition}/stn/align"] = error_rates(comparisons).as_dict()
    return rates


def _rates(part: _Set, compared: str, network: StripNet) -> ErrorRates:
    if compared == "cnn":
        vectors = network.embed(part.strips)
        return evaluate_embeddings(vectors, part.eyes, subjects=part.subjects, failed=part.failed)
    shift = int(compared.removeprefix("±"))
    return evaluate_codes(part.strips, part.eyes, max_shift=shift, subjects=part.subjects, failed=part.failed)


def _aligned(part: _Set, rectifier: Rectifier, non_mated: int) -> Comparisons:
    """All mated pairs of `part` and so many others, the second of each turned onto the first and compared once."""
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
    everything = compare_all(values, part.eyes, subjects=part.subjects, failed=part.failed)
    measured = ~np.isnan(everything.non_mated)
    return replace(
        everything,
        non_mated=everything.non_mated[measured],
        non_mated_subjects=everything.non_mated_subjects[measured],
    )


def _add(sets: dict[tuple[str, str], _Set], sample: Sample, label: Label, rectifier: Rectifier, *, kept: bool) -> None:
    image = read_gray(sample.path)
    seed = int.from_bytes(hashlib.sha256(sample.name.encode()).digest()[:8])
    for condition in CONDITIONS:
        rng = np.random.default_rng((seed, CONDITIONS.index(condition)))
        made = dict(_strips(image, condition, rng, rectifier))
        for method in METHODS:
            part = sets[condition, method]
            if method in made:
                strip, ring = made[method]
                part.strips.append(strip)
                if kept and method == "stn" and condition in ALIGNED:
                    part.found.append(ring)
                part.eyes.append(f"{label.subject}/{label.eye}")
                part.subjects.append(label.subject)
            else:
                part.failed.append(f"{label.subject}/{label.eye}")


def _strips(
    image: Gray, condition: str, rng: np.random.Generator, rectifier: Rectifier
) -> Iterator[tuple[str, tuple[Strip, tuple[Gray, Segmentation]]]]:
    """By method, the strip of one picture under one condition and where it is from; nothing where no iris is found."""
    turn = TURN_RAD * rng.uniform(-1, 1) if condition in ("turned", "both") else 0.0
    shown = _turned(image, turn) if turn else image
    try:
        right = segment(shown)
    except IrisError:
        return
    wrong = _moved(right, rng) if condition in ("moved", "both") else right
    yield "none", (normalize(shown, wrong, SIZE), (shown, wrong))
    yield "stn", (rectifier.rectify_eye(shown, wrong, SIZE).strip, (shown, wrong))
    radius, angle = ring_grid(SIZE)
    yield "undone", (sample_ring(shown, right, (radius, angle + turn)), (shown, right))


def _turned(image: Gray, turn_rad: float) -> Gray:
    """The picture turned clockwise as seen, about its middle."""
    height, width = image.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -np.rad2deg(turn_rad), 1.0)
    turned = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return turned.astype(np.uint8, copy=False)


def _moved(segmentation: Segmentation, rng: np.random.Generator) -> Segmentation:
    none = np.zeros((2, 2))
    return Perturbation(0.0, MOVED * rng.uniform(-1, 1, (2, 2)), MOVED * rng.uniform(-1, 1, 2), none).apply(
        segmentation
    )


def table(rates: dict[str, dict[str, float]]) -> str:
    """The rates as text, in percent with 95 % intervals."""
    first = next(iter(rates.values()))
    lines = [
        f"{first['mated']:.0f} mated and {first['non_mated']:.0f} non_mated comparisons of {first['subjects']:.0f} "
        f"subjects, {100 * first['failure_to_enrol']:.2f} % not enrolled; in % [95 % interval]",
        f"{'condition':<10}{'method':<8}{'':>6}  {'EER':<22}{'FNMR at FMR 1e-3':<22}",
    ]
    for name, row in rates.items():
        condition, method, compared = name.split("/")
        figures = [
            f"{100 * row[key]:.2f} [{100 * row[key + '_low']:.2f}, {100 * row[key + '_high']:.2f}]"
            for key in ("eer", "fnmr@0.001")
        ]
        lines.append(f"{condition:<10}{method:<8}{compared:>6}  {figures[0]:<22}{figures[1]:<22}")
    return "\n".join(lines)


@click.command()
@click.argument("eyes", type=click.Path(path_type=Path, exists=True))
@click.option("--model", type=click.Path(path_type=Path), help="Weights or run.  [default: those irisstn ships]")
@click.option("--recognizer", type=click.Path(path_type=Path), help="The same for the CNN.")
@click.option("--subjects", type=click.IntRange(2), help="Only the first so many subjects.")
@click.option("--align", default=0, show_default=True, help="Also align so many pairs of two eyes, and all of one.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Also write the figures to this file.")
def cli(
    eyes: Path, model: Path | None, recognizer: Path | None, subjects: int | None, align: int, out: Path | None
) -> None:
    """Compare rectified strips with plain ones, under stress and without."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)  # one picture is too little to share out: threads would wait for each other
    rates = main(eyes, model=model, recognizer=recognizer, subjects=subjects, align=align)
    click.echo(table(rates))
    if out is not None:
        out.write_text(json.dumps(rates, indent=1), encoding="utf-8")


if __name__ == "__main__":
    cli()
