"""Accuracy and speed of `irisstn.segment` on rendered eyes, and on real ones where they are at hand.

    python benchmarks/segmentation.py [--synthetic N] [--eyes DIR --truth CSV] [--iitd DIR] [--osiris BINARY]

Without options: N = 20 rendered eyes of every camera. `--eyes` is a folder of pictures, `--truth` a table of circles
marked in them by hand (columns name, then pupil_, iris_, upper_ and lower_ x, y and r; pixels, 0-based): the iris is
outside the pupil, inside the iris and inside both eyelid circles (IRISSEG-CC, Hofbauer et al. 2014; Alonso-Fernandez &
Bigun 2015). `--iitd` is a folder with `test/NNN_KK_E.bmp` and hand-made masks `ground_truth/OperatorA_NNN-*_KK.tiff`.
`--osiris` is a binary of OSIRIS v4.1, which then segments the pictures of `--eyes` as well, in as many processes
(`osiris.py` in this folder explains how to build it). Its one mask, without eyelashes and reflections, is scored.

Printed for each set: numbers of pictures and failures; F1 of the iris between the eyelids (0 for a failure): mean with
a 95 % bootstrap interval over pictures, 5th percentile and median; median and 99th percentile of the errors of the
centres, pixels; medians of the CPU time of `segment`, of the CPU time from the picture file to the four PNG files and
the record, and of the elapsed time for the same, ms. Times of OSIRIS are means over the pictures of a process, from the
file to its one mask.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
from results_file import Figure, Table, results_option, slug, write_results
from segmentation_scores import Score, read_circles, score_iitd, score_marked, score_osiris, score_rendered

from irisstn.synthetic import CAMERAS

OSIRIS_PICTURES = 43  # for each process, so that its start is a small part of the time


@dataclass(frozen=True)
class Row:
    """Summary of a set of images: one line of the table.

    Attributes
    ----------
    name : str
        Name of the set.
    n, failed : int
        Numbers of images and of failures.
    f1_mean, f1_low, f1_high : float
        Mean F1 in % and its 95 % bootstrap interval over images.
    f1_p5, f1_median : float
        5th percentile and median of F1 in %.
    pupil_px, limbus_px : tuple of float
        Median and 99th percentile of the errors of the centres, pixels.
    segment_ms, files_ms, wall_ms : float
        Medians of the times, ms.
    """

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


def summary(name: str, scores: Sequence[Score]) -> Row:
    """Summarise the scores of a set.

    Parameters
    ----------
    name : str
        Name of the set.
    scores : sequence of Score
        At least one.

    Returns
    -------
    Row
        The summary.
    """
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


def print_row(row: Row) -> None:
    """Print one line of the table."""
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
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Also write the rows here.")
@click.option("--name", help="Name of the pictures of --eyes in the results.  [default: the folder's name]")
@results_option
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
    name: str | None,
    results: bool,
) -> None:
    """Print the table and write it to benchmarks/results/."""
    if (eyes is None) != (truth is None) or (osiris is not None and eyes is None):
        raise click.UsageError("--eyes and --truth go together, and --osiris needs both")
    rows: list[Row] = []
    click.echo(
        f"{'set':26s} {'n':>5s} fail   {'F1 mean [95 %]':>22s} {'p5':>6s} {'median':>6s}   "
        f"{'pupil px':>11s}   {'limbus px':>11s}   {'ms':>6s} {'files':>6s} {'wall':>6s}"
    )

    def add(label: str, scores: Sequence[Score]) -> None:
        rows.append(summary(label, scores))
        print_row(rows[-1])

    # Spawned, not forked: a fork of a process with threads can deadlock.
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for camera in sorted(CAMERAS) if synthetic else ():
            add(camera, list(pool.map(partial(score_rendered, camera), range(synthetic), chunksize=4)))
        if eyes is not None and truth is not None:
            marks = read_circles(truth)
            paths = sorted(path for path in eyes.rglob("*") if path.stem in marks)[::every]
            if not paths:
                raise click.UsageError(f"none of the pictures in {eyes} is named in {truth}")
            marked = [marks[path.stem] for path in paths]
            add(name or eyes.name, list(pool.map(score_marked, paths, marked, chunksize=8)))
            if osiris is not None:
                each = partial(score_osiris, osiris, marks)
                parts = [paths[start : start + OSIRIS_PICTURES] for start in range(0, len(paths), OSIRIS_PICTURES)]
                add(
                    f"{name or eyes.name}: OSIRIS v4.1", [score for scores in pool.map(each, parts) for score in scores]
                )
        if iitd is not None:
            add("iitd", list(pool.map(score_iitd, sorted((iitd / "test").glob("*.bmp")))))
    if json_path is not None:
        json_path.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    if results:
        options = [
            (f"--synthetic {synthetic}", True),
            ("--eyes EYES --truth CSV", eyes is not None),
            ("--iitd IITD", iitd is not None),
            ("--osiris BINARY", osiris is not None),
            (f"--every {every}", every != 1),
        ]
        command = " ".join(["python benchmarks/segmentation.py", *(text for text, used in options if used)])
        sets = [slug(name or eyes.name)] if eyes is not None else []
        sets += ["iitd"] if iitd is not None else []
        click.echo(write_results("-".join(["segmentation", *(sets or ["rendered"])]), command, [results_table(rows)]))


def results_table(rows: Sequence[Row]) -> Table:
    """Convert the rows to a table for `write_results`.

    Parameters
    ----------
    rows : sequence of Row
        One for each set.

    Returns
    -------
    Table
        F1, centre errors and times.
    """
    columns = ["pictures", "n", "failed", "F1 mean", "F1 5th percentile", "F1 median"]
    columns += [
        f"{part}, {kind}" for part in ("pupil centre", "limbus centre") for kind in ("median", "99th percentile")
    ]
    columns += ["segment", "all files, CPU", "all files, elapsed"]
    return Table(
        "F1 of the iris between the eyelids (failures count 0), errors of the centres, times per picture; 95 % "
        "bootstrap intervals over pictures",
        columns,
        [
            [
                row.name,
                row.n,
                row.failed,
                Figure(round(row.f1_mean, 3), round(row.f1_low, 3), round(row.f1_high, 3), row.n, "%"),
                *(_figure(value, row.n, "%") for value in (row.f1_p5, row.f1_median)),
                *(_figure(value, row.n, "px") for value in (*row.pupil_px, *row.limbus_px)),
                *(_figure(value, row.n, "ms") for value in (row.segment_ms, row.files_ms, row.wall_ms)),
            ]
            for row in rows
        ],
    )


def _figure(value: float, n: int, unit: str) -> Figure | str:
    return Figure(round(value, 3), n=n, unit=unit) if value == value else ""  # NaN: not measured


if __name__ == "__main__":
    main()
