"""What tells the pictures that lost most between two runs from the others, and a table of all pictures."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from irisstn.geometry import Float
from irisstn.outputs.manifest import read_manifest
from irisstn.outputs.measurements import path_cell
from irisstn.report.comparison import Change, RunComparison
from irisstn.report.figures import figures_of

_LEAST_GROUP = 10  # pictures that lost most, below which nothing is said of them
_TENTH = 0.1
_CLEAR, _SHOWN = 0.1, 8  # distance of a figure's `larger` from 1/2 from which on it is shown, and how many figures

COLUMNS = (
    "run",
    "compared_with",
    "path",
    "distance_before",
    "distance_after",
    "score_before",
    "score_after",
    "gain",
)


@dataclass(frozen=True, slots=True)
class Trait:
    """A figure of the records that differs between the tenth of the pictures that lost most and the others.

    Attributes
    ----------
    name : str
        The figure, without its sign; with "difference from the eye's other pictures" where that is meant.
    lost, others : float
        Its medians.
    larger : float
        The probability that it is larger for a picture that lost most than for another one, 0..1; ties count half.
    """

    name: str
    lost: float
    others: float
    larger: float


def traits(found: RunComparison) -> list[Trait]:
    """The figures that tell the pictures that lost most from the others, the clearest first.

    Parameters
    ----------
    found : RunComparison
        The runs and the changes of their pictures.

    Returns
    -------
    list of Trait
        Of the records of the second run, at most 8; empty for fewer than 100 pictures, or where less than a tenth lost.
    """
    count = int(_TENTH * len(found.pictures))
    lost = (
        {change.names[0] for change in found.pictures[-count:] if change.gain < 0} if count >= _LEAST_GROUP else set()
    )
    if len(lost) < _LEAST_GROUP:
        return []
    eye_of = {
        name: label.eye_name for name, label in zip(found.second.scores.names, found.second.scores.labels, strict=True)
    }
    names = {change.names[0] for change in found.pictures}
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for record in read_manifest(found.second.folder):
        if record["path"] in names and "variant_of" not in record:
            for figure, value in figures_of(record):
                values[figure][record["path"]] = value
    told = []
    for figure, of_pictures in values.items():
        title = figure.replace("_", " ")
        told.append(_trait(title, {name: abs(value) for name, value in of_pictures.items()}, lost))
        told.append(_trait(f"{title}, difference from the eye's other pictures", _apart(of_pictures, eye_of), lost))
    clear = [trait for trait in told if trait is not None and abs(trait.larger - 0.5) >= _CLEAR]
    return sorted(clear, key=lambda trait: -abs(trait.larger - 0.5))[:_SHOWN]


def _apart(values: dict[str, float], eye_of: dict[str, str]) -> dict[str, float]:
    """How far the value of each picture lies from the mean of the others of its eye."""
    of_eye: dict[str, list[float]] = defaultdict(list)
    for name, value in values.items():
        of_eye[eye_of[name]].append(value)
    found = {}
    for name, value in values.items():
        others = of_eye[eye_of[name]]
        if len(others) > 1:
            found[name] = abs(value - (sum(others) - value) / (len(others) - 1))
    return found


def _trait(name: str, values: dict[str, float], lost: set[str]) -> Trait | None:
    """The trait of one figure; None where one of the groups has no value of it."""
    inside, outside = (np.array([values[key] for key in values if (key in lost) == side]) for side in (True, False))
    if not inside.size or not outside.size:
        return None
    return Trait(name, float(np.median(inside)), float(np.median(outside)), _larger(inside, outside))


def _larger(some: Float, others: Float) -> float:
    """The probability that one of `some` is larger than one of `others`: Mann and Whitney's U over all pairs."""
    ordered = np.sort(others)
    below, not_above = (np.searchsorted(ordered, some, side) for side in ("left", "right"))
    return float((below + not_above).mean() / 2 / len(others))


def changes_csv(compared: Iterable[RunComparison]) -> bytes:
    """All pictures of all comparisons as CSV, of each comparison the picture that lost most first.

    Parameters
    ----------
    compared : iterable of RunComparison
        What was compared.

    Returns
    -------
    bytes
        With a header, `COLUMNS`.
    """
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    write(COLUMNS)
    for found in compared:
        for change in reversed(found.pictures):
            write([found.second.name, found.first.name, *map(path_cell, change.names), *_numbers(change)])
    return text.getvalue().encode("utf-8", "surrogateescape")


def _numbers(change: Change) -> Sequence[str]:
    distances = change.distance_before, change.distance_after
    return [*(f"{value:.5f}" for value in distances), *(f"{v:.3f}" for v in (change.before, change.after, change.gain))]
