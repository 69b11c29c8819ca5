"""Open-set identification in galleries of real and simulated eyes, on output folders of `irisstn embed`.

    python benchmarks/identification.py NAME=OUT [NAME=OUT ...] [--size N]

The first capture of each eye is the gallery, all others are probes. Each probe is searched twice: with its mate in the
gallery (FNIR: the mate is below the threshold), and without it (FPIR: anything reaches the threshold), by the
definitions of NIST's IREX with candidate lists of any length. Failures to enrol count: such a probe finds nothing.

A gallery of N eyes holds the real ones and simulated ones. Simulated are embeddings, not pictures: normal random
vectors with the mean of the set's own embeddings and their covariance, shrunk to its diagonal until comparisons with
the probes have the variance of the real non-mated ones, made to length 1. The table says how many of these comparisons
reach the similarity that one in 1,000 and one in 10,000 of the real ones reach.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from results_file import Cell, Figure, Table, named_folder, results_option, write_results

from irisstn.evaluation import FPIR_LEVELS, identification_rates, read_templates
from irisstn.recognition import Calibration, HnswIndex, search
from irisstn.recognition.gallery_search import fmr_for_fpir

Vectors = NDArray[np.float32]
_BLOCK, _TIMED = 10_000, 100  # simulated eyes at a time; probes whose search is timed
_INDEXED = 20_000  # eyes of the approximate index


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """The searches of one set; -inf where nothing can be found.

    Attributes
    ----------
    mates, others : ndarray, shape (P,)
        For each probe the similarity of the mate, and the largest of the other real eyes of the gallery.
    subjects : ndarray of str, shape (P,)
        Its person.
    probes : ndarray, shape (E, D)
        The embeddings of the probes that were enrolled.
    enrolled : ndarray of int, shape (E,)
        Which of the P they are.
    everything : ndarray, shape (M, D)
        All embeddings of the set.
    variance : float
        Variance of the similarities of non-mated comparisons.
    levels : ndarray, shape (2,)
        The similarities that one in 1,000 and one in 10,000 of them reach.
    size : int
        Number of real eyes in the gallery.
    """

    mates: NDArray[np.float64]
    others: NDArray[np.float64]
    subjects: NDArray[np.str_]
    probes: Vectors
    enrolled: NDArray[np.intp]
    everything: Vectors
    variance: float
    levels: NDArray[np.float64]
    size: int


def searches_of(out: Path) -> Searches:
    """Search the captures of the folder `out` among the first capture of each eye."""
    templates = read_templates(out, "embedding")
    vectors = templates.embeddings
    if vectors is None:
        raise click.UsageError(f"{out} holds no embeddings")
    row = {name: i for i, name in enumerate(templates.names)}
    labels = dict(zip(templates.names, templates.labels, strict=True)) | templates.failed
    eyes = {name: label.eye_name for name, label in labels.items() if label is not None}
    first: dict[str, str] = {}
    for name in sorted(eyes):
        first.setdefault(eyes[name], name)
    held = [(eye, row[name]) for eye, name in first.items() if name in row]
    gallery, owners = vectors[[i for _, i in held]], np.array([eye for eye, _ in held])
    names = [name for name in sorted(eyes) if first[eyes[name]] != name]
    enrolled = np.array([i for i, name in enumerate(names) if name in row])
    probes = vectors[[row[names[i]] for i in enrolled]]
    similarity = (probes @ gallery.T).astype(float)
    same = np.array([eyes[names[i]] for i in enrolled])[:, None] == owners
    mates, others = np.full(len(names), -np.inf), np.full(len(names), -np.inf)
    mates[enrolled] = np.where(same, similarity, -np.inf).max(1)
    others[enrolled] = np.where(same, -np.inf, similarity).max(1)
    non_mated = similarity[~same]
    levels, variance = np.quantile(non_mated, [1 - 1e-3, 1 - 1e-4]), float(non_mated.var())
    subjects = np.array([eyes[name].rpartition("/")[0] for name in names])
    return Searches(mates, others, subjects, probes, enrolled, vectors, variance, levels, len(gallery))


def simulated(like: Searches, count: int) -> Iterator[Vectors]:
    """Blocks of simulated embeddings (n, D) like those of a set."""
    rng = np.random.default_rng(0)
    mean, covariance = like.everything.mean(0), np.cov(like.everything.T)
    diagonal = np.diag(np.diag(covariance))
    spread = [float(((like.probes @ one) * like.probes).sum(1).mean()) for one in (covariance, diagonal)]
    shrink = float(np.clip((spread[0] - like.variance) / (spread[0] - spread[1]), 0.01, 1))
    shrunk = (1 - shrink) * covariance + shrink * diagonal
    root = np.linalg.cholesky(shrunk).T.astype(np.float32)
    for first in range(0, count, _BLOCK):
        drawn = rng.standard_normal((min(_BLOCK, count - first), len(mean)), np.float32) @ root + mean
        yield (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def rows_of(name: str, found: Searches, size: int, calibration: Calibration) -> tuple[list[list[Cell]], list[Cell]]:
    """Rates of the set in its own gallery and in one of `size` eyes, and how real the simulated eyes are."""
    rows: list[list[Cell]] = []
    others = found.others.copy()
    reached = np.zeros(2)
    rows.append(_rates(name, found, others, found.size, calibration))
    for block in simulated(found, size - found.size):
        similarity = found.probes @ block.T
        others[found.enrolled] = np.maximum(others[found.enrolled], similarity.max(1))
        reached += [(similarity >= level).sum() for level in found.levels]
    rows.append(_rates(name, found, others, size, calibration))
    compared = len(found.probes) * (size - found.size)
    ratios = reached / compared / [1e-3, 1e-4]
    return rows, [name, round(float(ratios[0]), 2), round(float(ratios[1]), 2)]


def _rates(name: str, found: Searches, others: NDArray[np.float64], size: int, calibration: Calibration) -> list[Cell]:
    rates = identification_rates(found.mates, others, subjects=found.subjects, resamples=500)
    cells: list[Cell] = [name, size]
    for level in FPIR_LEVELS:
        fnir = rates.fnir_at[level]
        percent = [round(100 * value, 4) for value in (fnir.value, fnir.low, fnir.high)]
        cells += [
            Figure(percent[0], percent[1], percent[2], rates.mated, "%"),
            round(rates.threshold_at[level], 3),
        ]
    claimed = calibration.threshold(fmr_for_fpir(0.01, size))
    missed = float((found.mates < claimed).mean())
    return [
        *cells,
        round(claimed, 3),
        Figure(round(100 * float((others >= claimed).mean()), 3), unit="%"),
        Figure(round(100 * missed, 2), unit="%"),
    ]


def speed_rows(found: Searches, size: int) -> list[list[Cell]]:
    """Memory and processor time of an exact and an approximate search, and computed for ten times as many eyes."""
    gallery = np.concatenate(list(simulated(found, size)))
    mates = min(_TIMED, len(found.probes))
    gallery[:mates] = found.everything[:mates]
    rng = np.random.default_rng(1)
    near = gallery[:mates] + 0.04 * rng.standard_normal((mates, gallery.shape[1]), np.float32)
    probes = near / np.linalg.norm(near, axis=1, keepdims=True)
    started = time.process_time()
    for _ in search(probes, gallery, threshold=0.4):
        pass
    exact_ms = 1000 * (time.process_time() - started) / len(probes)
    megabytes = gallery.nbytes / 1e6
    rows: list[list[Cell]] = [
        ["exact", size, round(megabytes), 0.0, round(exact_ms, 2), 100.0],
        ["exact, computed", 10 * size, round(10 * megabytes), 0.0, round(10 * exact_ms, 1), 100.0],
    ]
    part = gallery[:_INDEXED]
    exact = list(search(probes, part, threshold=0.4))
    started = time.process_time()
    index = HnswIndex.of(part)
    built_s = time.process_time() - started
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder) / "index")
        index_mb = (Path(folder) / "index").stat().st_size / 1e6
    started = time.process_time()
    approximate = list(index.search(probes, threshold=0.4))
    index_ms = 1000 * (time.process_time() - started) / len(probes)
    wanted = [one.number for candidates in exact for one in candidates[:1]]
    got = {one.number for candidates in approximate for one in candidates}
    recall = 100 * sum(number in got for number in wanted) / max(len(wanted), 1)
    rows += [
        ["HNSW", len(part), round(index_mb), round(built_s), round(index_ms, 2), round(recall, 1)],
        *(_grown(count, len(part), index_mb, built_s, index_ms) for count in (size, 10 * size)),
    ]
    click.echo(
        f"largest resident size of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB"
    )
    return rows


def _grown(size: int, measured: int, megabytes: float, built_s: float, search_ms: float) -> list[Cell]:
    """What `size` eyes n need: the memory of an index grows with n, its build with n log n, a search with log n."""
    times = size / measured
    logs = float(np.log(size) / np.log(measured))
    figures = [round(times * megabytes), round(times * logs * built_s), round(logs * search_ms, 2)]
    return ["HNSW, computed", size, *figures, "not known"]


@click.command()
@click.argument("outs", metavar="NAME=OUT...", nargs=-1, required=True)
@click.option("--size", default=100_000, show_default=True, type=click.IntRange(1000), help="Eyes of the gallery.")
@click.option("--speed/--no-speed", default=True, show_default=True, help="Also measure memory and time.")
@results_option
def cli(*, outs: tuple[str, ...], size: int, speed: bool, results: bool) -> None:
    """Measure open-set identification."""
    calibration = Calibration.load()
    rows: list[list[Cell]] = []
    simulation: list[list[Cell]] = []
    sets = dict(named_folder(out) for out in outs)
    searches = {name: searches_of(out) for name, out in sets.items()}
    for name, found in searches.items():
        own, quality = rows_of(name, found, size, calibration)
        rows += own
        simulation.append(quality)
        for row in own:
            click.echo("  ".join(str(cell.value) if isinstance(cell, Figure) else str(cell) for cell in row))
        click.echo(f"  simulated over real: {quality[1:]}")
    columns = ["set", "gallery"]
    for level in FPIR_LEVELS:
        columns += [f"FNIR at FPIR {level:g}", "threshold"]
    columns += ["threshold of search --fpir 0.01", "its FPIR", "its FNIR"]
    tables = [
        Table(
            f"Open-set identification; galleries of {size:,} eyes are simulated but for the real eyes", columns, rows
        ),
        Table(
            "Simulated over real comparisons that reach a similarity; above 1 the simulated eyes are more similar",
            ["set", "that 1 in 1,000 of the real ones reach", "1 in 10,000"],
            simulation,
        ),
    ]
    if speed:
        timed = speed_rows(next(iter(searches.values())), size)
        for row in timed:
            click.echo("  ".join(map(str, row)))
        heads = ["search", "gallery", "memory, MB", "build, s", "search of a probe, ms", "same first candidate, %"]
        tables.append(Table("Memory and processor time, one thread, simulated eyes of 512 floats", heads, timed))
    if results:
        command = "python benchmarks/identification.py " + " ".join(f'"{name}=OUT"' for name in sets)
        click.echo(write_results("identification", command, tables))


if __name__ == "__main__":
    cli()
