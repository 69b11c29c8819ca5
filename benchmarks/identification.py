"""Open-set identification in galleries of real, rendered and simulated eyes, on output folders of `irisstn embed`.

    python benchmarks/identification.py NAME=OUT [NAME=OUT ...] [--size N] [--rendered OUT]

The first capture of each eye is the gallery, all others are probes. Each probe is searched twice: with its mate in the
gallery (FNIR: the mate is below the threshold), and without it (FPIR: anything reaches the threshold), by the
definitions of NIST's IREX with candidate lists of any length. Failures to enrol count: such a probe finds nothing.

A gallery of N eyes holds the real ones and simulated ones. Simulated are embeddings, not pictures: normal random
vectors with the mean of the set's own embeddings and their covariance, shrunk to its diagonal until comparisons with
the probes have the variance of the real non-mated ones, made to length 1. The table says how many of these comparisons
reach the similarity that one in 1,000 and one in 10,000 of the real ones reach. A set that has N eyes is searched as it
is.

--rendered is a folder of `benchmarks/rendered_gallery.py`, which is searched as it is. Its eyes do not join the
galleries of the others: how similar the probes of real sets are to them is told beside what is told of simulated ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from results_file import Cell, Figure, Table, named_folder, results_option, write_results
from search_speed import speed_table

from irisstn.evaluation import FPIR_LEVELS, identification_rates, read_templates
from irisstn.recognition import Calibration
from irisstn.recognition.gallery_search import fmr_for_fpir

Vectors = NDArray[np.float32]
_BLOCK, _TIMED = 4_000, 100  # eyes of a gallery at a time; probes whose search is timed


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """The searches of one set; -inf where nothing can be found.

    Attributes
    ----------
    mates, others : ndarray, shape (P,)
        For each probe the similarity of the mate, and the largest of the other real eyes of the gallery.
    subjects : ndarray of str, shape (P,)
        Its person.
    enrolled : ndarray of int, shape (E,)
        Which of the P probes were enrolled.
    rows : ndarray of int, shape (E,)
        Where their embeddings stand in `everything`.
    mate_numbers : ndarray of int, shape (E,)
        The number of each one's mate in the gallery; -1: it failed to enrol.
    gallery : ndarray of int, shape (G,)
        Where the embeddings of the gallery stand in `everything`.
    everything : ndarray, shape (M, D)
        All embeddings of the set.
    """

    mates: NDArray[np.float64]
    others: NDArray[np.float64]
    subjects: NDArray[np.str_]
    enrolled: NDArray[np.intp]
    rows: NDArray[np.intp]
    mate_numbers: NDArray[np.intp]
    gallery: NDArray[np.intp]
    everything: Vectors

    @property
    def probes(self) -> Vectors:
        """The embeddings of the enrolled probes, (E, D)."""
        return self.everything[self.rows]

    @property
    def size(self) -> int:
        """Number of eyes in the gallery."""
        return len(self.gallery)

    def blocks(self) -> Iterator[Vectors]:
        """The embeddings of the gallery, `_BLOCK` at a time."""
        for first in range(0, self.size, _BLOCK):
            yield self.everything[self.gallery[first : first + _BLOCK]]

    def non_mated(self) -> NDArray[np.float32]:
        """The similarities of all non-mated comparisons of the probes, which have to fit into memory."""
        similarity = self.probes @ self.everything[self.gallery].T
        found: NDArray[np.float32] = similarity[np.arange(self.size) != self.mate_numbers[:, None]]
        return found


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
    held = {eye: row[name] for eye, name in first.items() if name in row}
    number = {eye: i for i, eye in enumerate(held)}
    names = [name for name in sorted(eyes) if first[eyes[name]] != name]
    if not held or not names:
        raise click.UsageError(f"{out} needs two captures of an eye, the first one for the gallery")
    enrolled = np.array([i for i, name in enumerate(names) if name in row], np.intp)
    found = Searches(
        mates=np.full(len(names), -np.inf),
        others=np.full(len(names), -np.inf),
        subjects=np.array([eyes[name].rpartition("/")[0] for name in names]),
        enrolled=enrolled,
        rows=np.array([row[names[i]] for i in enrolled], np.intp),
        mate_numbers=np.array([number.get(eyes[names[i]], -1) for i in enrolled], np.intp),
        gallery=np.array(list(held.values()), np.intp),
        everything=vectors,
    )
    probes, start = found.probes, 0
    for block in found.blocks():
        similarity = probes @ block.T
        mated = np.flatnonzero((found.mate_numbers >= start) & (found.mate_numbers < start + len(block)))
        columns = found.mate_numbers[mated] - start
        found.mates[enrolled[mated]] = similarity[mated, columns]
        similarity[mated, columns] = -np.inf
        found.others[enrolled] = np.maximum(found.others[enrolled], similarity.max(1))
        start += len(block)
    return found


def simulated(like: Searches, count: int) -> Iterator[Vectors]:
    """Blocks of simulated embeddings (n, D) like those of a set."""
    rng = np.random.default_rng(0)
    mean, covariance = like.everything.mean(0), np.cov(like.everything.T)
    diagonal, probes = np.diag(np.diag(covariance)), like.probes
    spread = [float(((probes @ one) * probes).sum(1).mean()) for one in (covariance, diagonal)]
    shrink = float(np.clip((spread[0] - float(like.non_mated().var())) / (spread[0] - spread[1]), 0.01, 1))
    shrunk = (1 - shrink) * covariance + shrink * diagonal
    root = np.linalg.cholesky(shrunk).T.astype(np.float32)
    for first in range(0, count, _BLOCK):
        drawn = rng.standard_normal((min(_BLOCK, count - first), len(mean)), np.float32) @ root + mean
        yield (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def joined(found: Searches, blocks: Iterable[Vectors]) -> tuple[NDArray[np.float64], list[Cell]]:
    """Let other eyes, none of them a mate, join the gallery.

    Parameters
    ----------
    found : Searches
        The searches of a set.
    blocks : iterable of ndarray, shape (n, D)
        Embeddings of the other eyes.

    Returns
    -------
    others : ndarray, shape (P,)
        For each probe the largest similarity but for its mate's.
    ratios : list of float, length 2
        How many of the comparisons with the other eyes reach the similarity that one in 1,000, and one in 10,000, of
        the set's own non-mated comparisons reach, over how many would if they were as similar as these.
    """
    shares, others, probes = np.array([1e-3, 1e-4]), found.others.copy(), found.probes
    levels = np.quantile(found.non_mated(), 1 - shares)
    reached, compared = np.zeros(2), 0
    for block in blocks:
        similarity = probes @ block.T
        others[found.enrolled] = np.maximum(others[found.enrolled], similarity.max(1))
        reached += [(similarity >= level).sum() for level in levels]
        compared += similarity.size
    return others, [round(float(ratio), 2) for ratio in reached / compared / shares]


def rows_of(name: str, found: Searches, size: int, calibration: Calibration) -> tuple[list[list[Cell]], list[Cell]]:
    """Rates of the set in its own gallery and in one of `size` eyes, and how real the simulated eyes of that one are.

    A set of so many eyes has one row, and no simulated eyes.
    """
    rows = [_rates(name, found, found.others, found.size, calibration)]
    if found.size >= size:
        return rows, []
    others, ratios = joined(found, simulated(found, size - found.size))
    return [*rows, _rates(name, found, others, size, calibration)], ratios


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


def timed_search(found: Searches, size: int) -> tuple[Vectors, Vectors]:
    """Probes and a gallery of simulated eyes like those of a set, in which the first ones are the probes' mates."""
    gallery = np.concatenate(list(simulated(found, size)))
    mates = min(_TIMED, len(found.rows))
    gallery[:mates] = found.everything[:mates]
    rng = np.random.default_rng(1)
    near = gallery[:mates] + 0.04 * rng.standard_normal((mates, gallery.shape[1]), np.float32)
    return near / np.linalg.norm(near, axis=1, keepdims=True), gallery


@click.command()
@click.argument("outs", metavar="NAME=OUT...", nargs=-1, required=True)
@click.option("--size", default=100_000, show_default=True, type=click.IntRange(1000), help="Eyes of the gallery.")
@click.option("--rendered", type=click.Path(path_type=Path, exists=True), help="Folder of rendered_gallery.py.")
@click.option("--speed/--no-speed", default=True, show_default=True, help="Also measure memory and time.")
@results_option
def cli(*, outs: tuple[str, ...], size: int, rendered: Path | None, speed: bool, results: bool) -> None:
    """Measure open-set identification."""
    calibration = Calibration.load()
    rows: list[list[Cell]] = []
    nearness: list[list[Cell]] = []
    sets = dict(named_folder(out) for out in outs)
    others = searches_of(rendered) if rendered else None
    if others is not None:
        rows.append(_rates("rendered eyes", others, others.others, others.size, calibration))
        click.echo(_line(rows[-1]))
    timed: tuple[Vectors, Vectors] | None = None
    for name, out in sets.items():
        found = searches_of(out)
        own, ratios = rows_of(name, found, size, calibration)
        rows += own
        near: list[list[Cell]] = [[name, "simulated", *ratios]] if ratios else []
        if others is not None:
            near.append([name, "rendered", *joined(found, others.blocks())[1]])
        nearness += near
        for line in [*own, *near]:
            click.echo(_line(line))
        if speed and timed is None:
            timed = timed_search(found, size)
    columns = ["set", "gallery"]
    for level in FPIR_LEVELS:
        columns += [f"FNIR at FPIR {level:g}", "threshold"]
    columns += ["threshold of search --fpir 0.01", "its FPIR", "its FNIR"]
    title = f"Open-set identification; galleries of {size:,} eyes are simulated but for the real eyes"
    tables = [Table(title, columns, rows)]
    if nearness:
        title = "Comparisons with other eyes that reach a similarity, over real ones; above 1 they are more similar"
        heads = ["set", "compared with eyes that are", "that 1 in 1,000 of the real ones reach", "1 in 10,000"]
        tables.append(Table(title, heads, nearness))
    if timed is not None:
        tables.append(speed_table(*timed))
        for row in tables[-1].rows:
            click.echo(_line(row))
    if results:
        command = "python benchmarks/identification.py " + " ".join(f'"{name}=OUT"' for name in sets)
        command += " --rendered OUT" if rendered else ""
        click.echo(write_results("identification", command, tables))


def _line(row: Sequence[Cell]) -> str:
    return "  ".join(str(cell.value) if isinstance(cell, Figure) else str(cell) for cell in row)


if __name__ == "__main__":
    cli()
