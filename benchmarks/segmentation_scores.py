"""Scores of single images for the benchmark of segmentation: F1 of the iris mask, centre errors, times."""

from __future__ import annotations

import csv
import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from osiris import run_osiris

from irisstn import SegmentationError, read_gray, segment
from irisstn.batch.jobs.job import JobInput
from irisstn.batch.jobs.segment import SegmentConfig, SegmentJob
from irisstn.files import write_bytes_atomic
from irisstn.geometry import Gray
from irisstn.images import to_gray
from irisstn.results import Segmentation
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture

Bool = NDArray[np.bool_]
Circle = tuple[float, float, float]


@dataclass(frozen=True)
class Score:
    """Score of one image. NaN = not measured.

    Attributes
    ----------
    name : str
        Name of the image.
    f1 : float
        F1 of the iris mask in %; 0 where segmentation failed.
    failed : str
        Reason of the failure; empty where there is none.
    pupil_px, limbus_px : float
        Errors of the centres, pixels.
    segment_ms : float
        CPU time of `segment`, ms.
    files_ms, wall_ms : float
        CPU time and elapsed time from the image file to all output files, ms.
    """

    name: str
    f1: float
    failed: str = ""
    pupil_px: float = float("nan")
    limbus_px: float = float("nan")
    segment_ms: float = float("nan")
    files_ms: float = float("nan")
    wall_ms: float = float("nan")


def f1(truth: Bool, found: Bool) -> float:
    """Compute the F1 of a mask.

    Parameters
    ----------
    truth, found : NDArray[numpy.bool_], shape (H, W)
        The true mask and the one to score.

    Returns
    -------
    float
        F1 in %.
    """
    return float(200 * (truth & found).sum() / max(int(truth.sum() + found.sum()), 1))


def timed_segment(image: Gray) -> tuple[Segmentation | None, str, float]:
    """Segment an image and measure the CPU time.

    Parameters
    ----------
    image : Gray, shape (H, W)
        The image.

    Returns
    -------
    segmentation : Segmentation or None
        None where it failed.
    reason : str
        Reason of the failure, or empty.
    milliseconds : float
        CPU time, ms; NaN where it failed.
    """
    start = time.process_time()
    try:
        found = segment(image)
    except SegmentationError as error:
        return None, error.reason, float("nan")
    return found, "", 1000 * (time.process_time() - start)


def score_file(path: Path, truth: Bool, circles: tuple[Circle, Circle] | None) -> Score:
    """Segment an image file and score the iris mask.

    Parameters
    ----------
    path : Path
        The image file.
    truth : NDArray[numpy.bool_], shape (H, W)
        The true iris mask.
    circles : tuple of Circle, or None
        True circles (x, y, radius) of pupil and limbus, where they are known.

    Returns
    -------
    Score
        The score.
    """
    cv2.setNumThreads(1)
    found, reason, milliseconds = timed_segment(read_gray(path))
    if found is None:
        return Score(path.name, 0.0, reason)
    errors = [float("nan")] * 2
    if circles is not None:
        pairs = zip((found.pupil, found.limbus), circles, strict=True)
        errors = [float(np.hypot(curve.x - x, curve.y - y)) for curve, (x, y, _) in pairs]
    return Score(path.name, f1(truth, found.iris_mask), "", errors[0], errors[1], milliseconds, *timed_files(path))


def timed_files(path: Path) -> tuple[float, float]:
    """Measure the time from an image file to all output files of `irisstn segment`, with record and quality.

    Parameters
    ----------
    path : Path
        The image file.

    Returns
    -------
    core_ms, wall_ms : float
        CPU time and elapsed time, ms.
    """
    start, wall = time.process_time(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, SegmentJob(SegmentConfig()).start() as process:
        result = process(JobInput(path.name, path.read_bytes()))
        for name, content in result.files.items():
            write_bytes_atomic(Path(folder) / name, content)
        json.dumps(result.fields)
    return 1000 * (time.process_time() - start), 1000 * (time.perf_counter() - wall)


def score_rendered(camera: str, seed: int) -> Score:
    """Render the eye with number `seed` by a camera of `CAMERAS`, segment it, and score the result."""
    cv2.setNumThreads(1)
    eye = render(Identity.from_seed(90_000 + seed), sample_capture(np.random.default_rng([9, seed]), CAMERAS[camera]))
    found, reason, milliseconds = timed_segment(to_gray(eye.image))
    if found is None:
        return Score(f"{camera}/{seed}", 0.0, reason)
    truth = eye.truth
    pupil = float(np.hypot(found.pupil.x - truth.pupil.x, found.pupil.y - truth.pupil.y))
    limbus = float(np.hypot(found.limbus.x - truth.limbus.x, found.limbus.y - truth.limbus.y))
    return Score(f"{camera}/{seed}", f1(truth.iris_mask, found.iris_mask), "", pupil, limbus, milliseconds)


def read_circles(table: Path) -> dict[str, dict[str, Circle]]:
    """Read hand-marked circles.

    Parameters
    ----------
    table : Path
        CSV with the columns name, pupil_x, pupil_y, pupil_r, and the same for iris, upper and lower.

    Returns
    -------
    dict of str to dict of str to Circle
        Circles (x, y, radius) of pupil, iris, upper and lower eyelid, by the image's name without suffix.
    """
    with table.open(newline="") as file:
        return {
            row["name"]: {
                part: (float(row[f"{part}_x"]), float(row[f"{part}_y"]), float(row[f"{part}_r"]))
                for part in ("pupil", "iris", "upper", "lower")
            }
            for row in csv.DictReader(file)
        }


def iris_of(circles: dict[str, Circle], size: tuple[int, int]) -> Bool:
    """Draw the iris mask (H, W) of hand-marked circles: outside the pupil, inside the three other circles."""
    y, x = np.mgrid[: size[0], : size[1]]

    def inside(part: str) -> Bool:
        cx, cy, radius = circles[part]
        return np.asarray((x - cx) ** 2 + (y - cy) ** 2 <= radius**2)

    return ~inside("pupil") & inside("iris") & inside("upper") & inside("lower")


def score_marked(path: Path, circles: dict[str, Circle]) -> Score:
    """Score one image file against hand-marked circles."""
    height, width = read_gray(path).shape
    truth = iris_of(circles, (height, width))
    return score_file(path, truth, (circles["pupil"], circles["iris"]))


def score_iitd(path: Path) -> Score:
    """Score one image file of IIT Delhi against its hand-made mask."""
    number, capture, _ = path.stem.split("_")
    mask = next((path.parent.parent / "ground_truth").glob(f"OperatorA_{number}-*_{capture}.tiff"))
    return score_file(path, read_gray(mask) > 127, None)


def score_osiris(binary: Path, marks: dict[str, dict[str, Circle]], paths: Sequence[Path]) -> list[Score]:
    """Score the results of one process of OSIRIS; an image without a mask is a failure.

    Parameters
    ----------
    binary : Path
        OSIRIS.
    marks : dict
        Result of `read_circles`.
    paths : sequence of Path
        Image files.

    Returns
    -------
    list of Score
        One for each image.
    """
    found, core_ms, wall_ms = run_osiris(binary, paths)
    scores = []
    for path, iris in zip(paths, found, strict=True):
        if iris is None:
            scores.append(Score(path.name, 0.0, "no mask"))
            continue
        circles = marks[path.stem]
        truth = iris_of(circles, (iris.mask.shape[0], iris.mask.shape[1]))
        pupil = math.dist(iris.pupil, circles["pupil"][:2])
        limbus = math.dist(iris.limbus, circles["iris"][:2])
        score = f1(truth, iris.mask)
        scores.append(Score(path.name, score, "", pupil, limbus, files_ms=core_ms, wall_ms=wall_ms))
    return scores
