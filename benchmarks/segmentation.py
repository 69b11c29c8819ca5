"""How well and how fast `irisstn.segment` finds the iris, on rendered eyes and on real ones where you have them.

    python benchmarks/segmentation.py [--synthetic N] [--eyes DIR --truth CSV] [--iitd DIR] [--osiris BINARY]

Without options: N = 20 rendered eyes of every camera. `--eyes` is a folder of pictures, `--truth` a table of circles
marked in them by hand (columns name, then pupil_, iris_, upper_ and lower_ x, y and r; pixels, 0-based): the iris is
outside the pupil, inside the iris and inside both lid circles (IRISSEG-CC, Hofbauer et al. 2014; Alonso-Fernandez &
Bigun 2015). `--iitd` is a folder with `test/NNN_KK_E.bmp` and hand-made masks `ground_truth/OperatorA_NNN-*_KK.tiff`.
`--osiris` names a binary of OSIRIS v4.1, which then does the pictures of `--eyes` as well, as many processes at a time
(`osiris.py` beside this file says how to build it). It writes one mask, without lashes and glints; that is scored.

Printed for each set: the number of pictures and of failures; F1 of the iris between the lids (a failure counts 0) with
its mean and a 95 % bootstrap interval, 5th percentile and median; median and 99th percentile of the centres' errors in
pixels; in milliseconds the medians of `segment` on one core, of all from the file to the four PNG files and the record,
and of the same by the wall. Those of OSIRIS are from the file to the one mask, the mean of each of its processes.
"""

from __future__ import annotations

import csv
import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from osiris import run_osiris

from irisstn import SegmentationError, read_gray, segment
from irisstn.batch.jobs.job import JobInput
from irisstn.batch.jobs.segment import SegmentConfig, SegmentJob
from irisstn.geometry import Gray
from irisstn.images import to_gray, write_bytes_atomic
from irisstn.results import Segmentation
from irisstn.synthetic import CAMERAS, Identity, render, sample_shot

Bool = NDArray[np.bool_]
Circle = tuple[float, float, float]
OSIRIS_PICTURES = 43  # to a process: its start is then a small part of its time


@dataclass(frozen=True)
class Score:
    """One picture: F1 in percent (0 for a failure), errors of the centres and times; NaN where not known."""

    name: str
    f1: float
    failed: str = ""
    pupil_px: float = float("nan")
    limbus_px: float = float("nan")
    segment_ms: float = float("nan")
    files_ms: float = float("nan")
    wall_ms: float = float("nan")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    n: int
    failed: int
    f1_mean: float
    f1_low: float
    f1_high: float
    f1_p5: float
    f1_median: float
    pupil_px: tuple[float, float]
    limbus_px: tuple[float, float]
    segment_ms: float
    files_ms: float
    wall_ms: float


def f1(truth: Bool, found: Bool) -> float:
    """F1 in percent of two masks."""
    return float(200 * (truth & found).sum() / max(int(truth.sum() + found.sum()), 1))


def summary(name: str, scores: Sequence[Score]) -> Row:
    """The line of a set; the interval is a bootstrap over its pictures."""
    values = np.array([score.f1 for score in scores])
    rng = np.random.default_rng(0)
    means = [float(rng.choice(values, len(values)).mean()) for _ in range(1000)]

    def quantile(of: Callable[[Score], float], q: float) -> float:
        known = np.array([of(score) for score in scores])
        known = known[np.isfinite(known)]
        return float(np.quantile(known, q)) if len(known) else float("nan")

    return Row(
        name,
        len(scores),
        sum(bool(score.failed) for score in scores),
        float(values.mean()),
        float(np.quantile(means, 0.025)),
        float(np.quantile(means, 0.975)),
        float(np.quantile(values, 0.05)),
        float(np.median(values)),
        (quantile(lambda score: score.pupil_px, 0.5), quantile(lambda score: score.pupil_px, 0.99)),
        (quantile(lambda score: score.limbus_px, 0.5), quantile(lambda score: score.limbus_px, 0.99)),
        quantile(lambda score: score.segment_ms, 0.5),
        quantile(lambda score: score.files_ms, 0.5),
        quantile(lambda score: score.wall_ms, 0.5),
    )


def timed_segment(image: Gray) -> tuple[Segmentation | None, str, float]:
    """The segmentation or the reason why not, and how many milliseconds of this core it took."""
    start = time.process_time()
    try:
        found = segment(image)
    except SegmentationError as error:
        return None, error.reason, float("nan")
    return found, "", 1000 * (time.process_time() - start)


def score_file(path: Path, truth: Bool, circles: tuple[Circle, Circle] | None) -> Score:
    """Segment the picture at `path` as the program does; `circles` are the pupil's and the iris's."""
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
    """Milliseconds from the file to all that `irisstn segment` writes for it, record and quality too: core and wall."""
    start, wall = time.process_time(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, SegmentJob(SegmentConfig()).start() as process:
        result = process(JobInput(path.name, path.read_bytes()))
        for name, content in result.files.items():
            write_bytes_atomic(Path(folder) / name, content)
        json.dumps(result.fields)
    return 1000 * (time.process_time() - start), 1000 * (time.perf_counter() - wall)


def score_rendered(camera: str, seed: int) -> Score:
    """Render one eye and segment it."""
    cv2.setNumThreads(1)
    eye = render(Identity.from_seed(90_000 + seed), sample_shot(np.random.default_rng([9, seed]), CAMERAS[camera]))
    found, reason, milliseconds = timed_segment(to_gray(eye.image))
    if found is None:
        return Score(f"{camera}/{seed}", 0.0, reason)
    truth = eye.truth
    pupil = float(np.hypot(found.pupil.x - truth.pupil.x, found.pupil.y - truth.pupil.y))
    limbus = float(np.hypot(found.limbus.x - truth.limbus.x, found.limbus.y - truth.limbus.y))
    return Score(f"{camera}/{seed}", f1(truth.iris_mask, found.iris_mask), "", pupil, limbus, milliseconds)


def read_circles(table: Path) -> dict[str, dict[str, Circle]]:
    """The hand-marked circles of each picture, by its name without the suffix."""
    with table.open(newline="") as file:
        return {
            row["name"]: {
                part: (float(row[f"{part}_x"]), float(row[f"{part}_y"]), float(row[f"{part}_r"]))
                for part in ("pupil", "iris", "upper", "lower")
            }
            for row in csv.DictReader(file)
        }


def iris_of(circles: dict[str, Circle], size: tuple[int, int]) -> Bool:
    """The iris mask (H, W) that hand-marked circles stand for."""
    y, x = np.mgrid[: size[0], : size[1]]

    def inside(part: str) -> Bool:
        cx, cy, radius = circles[part]
        return np.asarray((x - cx) ** 2 + (y - cy) ** 2 <= radius**2)

    return ~inside("pupil") & inside("iris") & inside("upper") & inside("lower")


def score_marked(path: Path, circles: dict[str, Circle]) -> Score:
    """Score one picture with hand-marked circles."""
    height, width = read_gray(path).shape
    truth = iris_of(circles, (height, width))
    return score_file(path, truth, (circles["pupil"], circles["iris"]))


def score_iitd(path: Path) -> Score:
    """Score one picture of IIT Delhi against its hand-made mask."""
    number, shot, _ = path.stem.split("_")
    mask = next((path.parent.parent / "ground_truth").glob(f"OperatorA_{number}-*_{shot}.tiff"))
    return score_file(path, read_gray(mask) > 127, None)


def score_osiris(binary: Path, marks: dict[str, dict[str, Circle]], paths: Sequence[Path]) -> list[Score]:
    """Score what one process of OSIRIS makes of `paths`; a picture that it wrote no mask of is a failure."""
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


def print_row(row: Row) -> None:
    """One line of the table."""
    click.echo(
        f"{row.name:26s} {row.n:5d} {row.failed:4d}   {row.f1_mean:6.2f} [{row.f1_low:5.2f}, {row.f1_high:5.2f}] "
        f"{row.f1_p5:6.2f} {row.f1_median:6.2f}   {row.pupil_px[0]:5.2f} {row.pupil_px[1]:5.2f}   "
        f"{row.limbus_px[0]:5.2f} {row.limbus_px[1]:5.2f}   "
        f"{row.segment_ms:6.1f} {row.files_ms:6.1f} {row.wall_ms:6.1f}"
    )


@click.command(help=__doc__)
@click.option("--synthetic", default=20, show_default=True, help="Rendered eyes of each camera; 0 for none.")
@click.option("--eyes", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--truth", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--iitd", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--osiris", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--every", default=1, show_default=True, help="Of the marked pictures take one in so many.")
@click.option("--workers", default=2, show_default=True)
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path))
def main(
    *,
    synthetic: int,
    eyes: Path | None,
    truth: Path | None,
    iitd: Path | None,
    osiris: Path | None,
    every: int,
    workers: int,
    json_path: Path | None,
) -> None:
    """Print the table."""
    if (eyes is None) != (truth is None) or (osiris is not None and eyes is None):
        raise click.UsageError("--eyes and --truth go together, and --osiris needs both")
    rows: list[Row] = []
    click.echo(
        f"{'set':26s} {'n':>5s} fail   {'F1 mean [95 %]':>22s} {'p5':>6s} {'median':>6s}   "
        f"{'pupil px':>11s}   {'limbus px':>11s}   {'ms':>6s} {'files':>6s} {'wall':>6s}"
    )

    def add(name: str, scores: Sequence[Score]) -> None:
        rows.append(summary(name, scores))
        print_row(rows[-1])

    with ProcessPoolExecutor(workers) as pool:
        for camera in sorted(CAMERAS) if synthetic else ():
            add(camera, list(pool.map(partial(score_rendered, camera), range(synthetic), chunksize=4)))
        if eyes is not None and truth is not None:
            marks = read_circles(truth)
            paths = sorted(path for path in eyes.rglob("*") if path.stem in marks)[::every]
            if not paths:
                raise click.UsageError(f"none of the pictures in {eyes} is named in {truth}")
            marked = [marks[path.stem] for path in paths]
            add(eyes.name, list(pool.map(score_marked, paths, marked, chunksize=8)))
            if osiris is not None:
                each = partial(score_osiris, osiris, marks)
                parts = [paths[start : start + OSIRIS_PICTURES] for start in range(0, len(paths), OSIRIS_PICTURES)]
                add(f"{eyes.name}: OSIRIS v4.1", [score for scores in pool.map(each, parts) for score in scores])
        if iitd is not None:
            add("iitd", list(pool.map(score_iitd, sorted((iitd / "test").glob("*.bmp")))))
    if json_path is not None:
        json_path.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
