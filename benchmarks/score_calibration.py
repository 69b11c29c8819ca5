"""Do the false match rates hold that the calibrated scores claim? Measured on output folders of `irisstn embed`.

    irisstn embed EYES -o OUT
    python benchmarks/score_calibration.py NAME=OUT [NAME=OUT ...] [--one-person A,B] [--rendered OUT]

The calibrations of the recogniser and of the iris code are fitted to rendered eyes alone. Here the thresholds that they
give for some false match rates are applied to all comparisons of each set: the fraction of the non-mated ones that
reach them is the observed FMR, that of the mated ones that do not, with failures to enrol, the FNMR. Intervals are 95 %
bootstrap intervals over subjects; where none was observed the upper end is 3 / n. Cllr is the cost of the
log-likelihood ratio in bits (Bruemmer and du Preez 2006): 0 is perfect, 1 says nothing. Where two subjects of a set are
suspected to be one person, --one-person adds a row without the comparisons between them.

Rates down to 1e-7 need more comparisons than real sets hold. --rendered is a folder of `rendered_gallery.py`: all pairs
of its eyes are compared, in blocks. Its cameras and anatomies differ from eye to eye, so its eyes are less alike than
those in front of one camera. What it can test is how the tail is continued: calibrations are fitted to random pairs of
it, as many as the shipped one was fitted to, and their claims are compared with what all pairs show.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from results_file import Cell, Figure, Table, mean_interval, named_folder, results_option, write_results

from irisstn.evaluation import Comparisons, Templates, compare_all, read_templates, scores_of
from irisstn.geometry import Float
from irisstn.recognition import CODE_SHIFTS, IRIS_CODE, Calibration

RATES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
RENDERED_RATES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
_RESAMPLES = 500
_BLOCK = 256  # eyes that are compared with all others at a time
_FITS = 20  # calibrations that are fitted to random pairs


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The comparisons of one set as similarities; a mated one with a failure to enrol is -inf."""

    mated: Float
    mated_subjects: NDArray[np.intp]
    non_mated: Float
    non_mated_subjects: NDArray[np.intp]


def scored(out: Path, kind: str) -> tuple[Scored, list[str]]:
    """The comparisons of the output folder `out`, "embedding" or "code", and the subjects by number."""
    templates = read_templates(out, "code" if kind == "code" else "embedding")
    scores = scores_of(templates, max_shift=CODE_SHIFTS if kind == "code" else 0)
    eyes, failed = ([label.eye_name for label in labels] for labels in (scores.labels, scores.failed))
    subjects = [label.subject for label in scores.labels]
    found: Comparisons = compare_all(scores.distances, eyes, subjects=subjects, failed=failed)
    scale = 2.0 if kind == "code" else 1.0
    mated, non_mated = 1 - scale * found.mated, 1 - scale * found.non_mated
    return Scored(mated, found.mated_subjects, non_mated, found.non_mated_subjects), sorted(set(subjects))


def without(found: Scored, subjects: list[str], pair: tuple[str, str]) -> Scored:
    """The comparisons but for those between the two subjects of `pair`; `subjects` are all, by number."""
    first, second = found.non_mated_subjects.T
    numbers = [subjects.index(name) for name in pair]
    kept = ~(np.isin(found.non_mated_subjects, numbers).all(1) & (first != second))
    return Scored(found.mated, found.mated_subjects, found.non_mated[kept], found.non_mated_subjects[kept])


def observed_fmr(found: Scored, threshold: float) -> Figure:
    """The fraction of the non-mated comparisons that reach the threshold, with its interval over subjects."""
    names, numbers = np.unique(found.non_mated_subjects, return_inverse=True)
    numbers = numbers.reshape(-1, 2)
    accepted = found.non_mated >= threshold
    size = (len(names), len(names))
    totals, matches = np.zeros(size), np.zeros(size)
    np.add.at(totals, (numbers[:, 0], numbers[:, 1]), 1.0)
    np.add.at(matches, (numbers[accepted, 0], numbers[accepted, 1]), 1.0)
    rng = np.random.default_rng(0)
    drawn = [np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names)) for _ in range(_RESAMPLES)]
    low, high = np.quantile([_weighted(matches, one) / _weighted(totals, one) for one in drawn], [0.025, 0.975])
    value, n = float(accepted.mean()), len(accepted)
    return Figure(value, float(min(low, value)), float(max(high, value, 0.0 if value else 3 / n)), n)


def _weighted(pairs: Float, weight: NDArray[np.intp]) -> float:
    """The number of `pairs` of two subjects where each subject counts `weight` times; of one subject once."""
    own = np.diag(pairs)
    return float(weight @ (pairs - np.diag(own)) @ weight + weight @ own)


def observed_fnmr(found: Scored, threshold: float) -> Figure:
    """The fraction of the mated comparisons, in %, that does not reach the threshold, with its interval."""
    rejected = found.mated < threshold
    low, high = mean_interval(rejected, found.mated_subjects, _RESAMPLES)
    value, n = float(rejected.mean()), len(rejected)
    high = max(high, value, 0.0 if value else 3 / n)
    return Figure(round(100 * value, 4), round(100 * min(low, value), 4), round(100 * high, 4), n, "%")


def cllr(found: Scored, calibration: Calibration) -> float:
    """Cost of the log-likelihood ratio in bits, over the enrolled pictures."""
    mated = calibration.log_likelihood_ratio(found.mated[np.isfinite(found.mated)])
    non_mated = calibration.log_likelihood_ratio(found.non_mated)
    return float(0.5 * (np.logaddexp(0, -mated).mean() + np.logaddexp(0, non_mated).mean()) / np.log(2))


def tables(
    sets: dict[str, Path], calibrations: dict[str, Calibration], one_person: tuple[str, str] | None = None
) -> list[Table]:
    """For each kind the table of observed FMR over claimed FMR, and that of FNMR and Cllr."""
    found = []
    for kind, calibration in calibrations.items():
        of = "embeddings" if kind == "embedding" else f"iris codes, ±{CODE_SHIFTS} shifts"
        measured: dict[str, Scored] = {}
        for name, out in sets.items():
            measured[name], subjects = scored(out, kind)
            if one_person is not None and set(one_person) <= set(subjects):
                pair = " and ".join(one_person)
                measured[f"{name}, {pair} not compared"] = without(measured[name], subjects, one_person)
        fmr: list[list[Cell]] = []
        fnmr: list[list[Cell]] = []
        for name, one in measured.items():
            thresholds = [calibration.threshold(rate) for rate in RATES]
            fmr.append([name, *(_times(observed_fmr(one, t), rate) for t, rate in zip(thresholds, RATES, strict=True))])
            fnmr.append([name, *(observed_fnmr(one, t) for t in thresholds), Figure(round(cllr(one, calibration), 4))])
        heads = [f"{rate:g}" for rate in RATES]
        found += [
            Table(
                f"Observed over claimed false match rate, {of}: 1 is exact, above 1 the claim is too low; by the "
                "claimed rate",
                ["set", *heads],
                fmr,
            ),
            Table(f"FNMR at the thresholds of these rates and Cllr, {of}", ["set", *heads, "Cllr in bits"], fnmr),
        ]
    return found


def highest_pairs(vectors: NDArray[np.float32], least: float) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Find the pairs that are most similar, block by block.

    Parameters
    ----------
    vectors : ndarray of float32, shape (N, D)
        Embeddings of length 1.
    least : float
        The least similarity.

    Returns
    -------
    similarities : ndarray, shape (K,)
        The similarities of `least` and above.
    pairs : ndarray of int, shape (K, 2)
        The numbers of both, the lower one first.
    """
    values, pairs = [np.zeros(0, np.float32)], [np.zeros((0, 2), np.int32)]
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK] @ vectors[start:].T
        row, column = np.nonzero(block >= least)
        once = row < column
        values.append(block[row[once], column[once]])
        pairs.append((start + np.stack([row[once], column[once]], 1)).astype(np.int32))
    return np.concatenate(values), np.concatenate(pairs)


def rendered_rows(templates: Templates, shipped: Calibration) -> list[list[Cell]]:
    """The rows of observed over claimed false match rates of a gallery of rendered eyes, one capture of each.

    Intervals are those over subjects, and of the fitted calibrations the range of their claims.
    """
    if templates.embeddings is None:
        raise click.UsageError("--rendered needs embeddings")
    first: dict[str, int] = {}
    subjects: list[str] = []
    for i in np.argsort(np.array(templates.names)).tolist():
        label = templates.labels[i]
        if label is None:
            raise click.UsageError(f"whose eye is {templates.names[i]}?")
        if first.setdefault(label.eye_name, i) == i:
            subjects.append(label.subject)
    vectors = templates.embeddings[list(first.values())]
    fits = _fitted(vectors, shipped)
    thresholds = [[one.threshold(rate) for rate in RENDERED_RATES] for one in (shipped, *fits)]
    least = float(np.min(thresholds))
    similarities, pairs = highest_pairs(vectors, least)
    person = np.unique(subjects, return_inverse=True)[1]
    compared = len(vectors) * (len(vectors) - 1) // 2
    own = [
        _times(fmr_of_pairs(pairs[similarities >= threshold], person), rate)
        for threshold, rate in zip(thresholds[0], RENDERED_RATES, strict=True)
    ]
    reached = len(similarities) - np.searchsorted(np.sort(similarities), np.array(thresholds[1:]).ravel())
    ratios = reached.reshape(_FITS, -1) / compared / np.array(RENDERED_RATES)
    shown = [[round(float(of(one)), 2) for of in (np.mean, np.min, np.max)] for one in ratios.T]
    fitted = [Figure(mean, low, high, compared) for mean, low, high in shown]
    return [
        [f"{len(vectors):,} rendered eyes, the shipped calibration", *own],
        [f"the same, {_FITS} calibrations fitted to {shipped.non_mated:,} of these pairs", *fitted],
    ]


def _fitted(vectors: NDArray[np.float32], shipped: Calibration) -> list[Calibration]:
    """Calibrations by random pairs of the vectors, as many as the shipped one had; mated ones do not matter here."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(_FITS):
        one = rng.integers(len(vectors), size=shipped.non_mated)
        other = (one + rng.integers(1, len(vectors), size=len(one))) % len(vectors)
        found.append(Calibration.of(np.linspace(0.5, 1, 100), (vectors[one] * vectors[other]).sum(1)))
    return found


def fmr_of_pairs(pairs: NDArray[np.int32], person: NDArray[np.intp]) -> Figure:
    """The fraction of all pairs of N eyes that `pairs` (K, 2) are, with its interval over their subjects `person`."""
    eyes = np.bincount(person)
    subjects = person[pairs]
    same = subjects[:, 0] == subjects[:, 1]
    rng = np.random.default_rng(0)

    def rate(weight: NDArray[np.intp]) -> float:
        # Two eyes of a subject that counts w times are w pairs, those of two subjects as many as the product.
        accepted = np.where(same, weight[subjects[:, 0]], weight[subjects[:, 0]] * weight[subjects[:, 1]]).sum()
        within = weight * eyes * (eyes - 1) // 2
        return float(accepted / (((weight @ eyes) ** 2 - (weight * eyes) @ (weight * eyes)) / 2 + within.sum()))

    value, n = rate(np.ones_like(eyes)), len(person) * (len(person) - 1) // 2
    drawn = (np.bincount(rng.integers(len(eyes), size=len(eyes)), minlength=len(eyes)) for _ in range(_RESAMPLES))
    low, high = np.quantile([rate(weight) for weight in drawn], [0.025, 0.975])
    return Figure(value, float(min(low, value)), float(max(high, value, 0.0 if value else 3 / n)), n)


def _times(figure: Figure, rate: float) -> Figure:
    """An observed rate as a multiple of the claimed one."""
    low, high = figure.low or 0.0, figure.high or 0.0
    return Figure(round(figure.value / rate, 2), round(low / rate, 2), round(high / rate, 2), figure.n)


@click.command()
@click.argument("outs", metavar="NAME=OUT...", nargs=-1, required=True)
@click.option("--calibration", type=click.Path(path_type=Path, exists=True), help="Folder of calibrations to measure.")
@click.option("--one-person", metavar="A,B", help="Subjects that are suspected to be one person.")
@click.option("--rendered", type=click.Path(path_type=Path, exists=True), help="Folder of rendered_gallery.py.")
@results_option
def cli(
    *, outs: tuple[str, ...], calibration: Path | None, one_person: str | None, rendered: Path | None, results: bool
) -> None:
    """Compare the false match rates that calibrated scores claim with those observed on real eyes."""
    calibrations = {
        "embedding": Calibration.load(calibration),
        "code": Calibration.load(calibration, recognizer_sha256=IRIS_CODE),
    }
    first, _, second = (one_person or "").partition(",")
    found = tables(dict(named_folder(out) for out in outs), calibrations, (first, second) if one_person else None)
    if rendered:
        title = (
            "Observed over claimed false match rate of pairs of rendered eyes of random cameras; by the claimed rate. "
            "Brackets: over subjects; of fitted calibrations, the least and the largest"
        )
        rows = rendered_rows(read_templates(rendered, "embedding"), calibrations["embedding"])
        found.append(Table(title, ["eyes, calibration", *(f"{rate:g}" for rate in RENDERED_RATES)], rows))
    for table in found:
        click.echo(table.title)
        for row in table.rows:
            click.echo("  ".join(_text(cell) for cell in row))
    if results:
        command = "python benchmarks/score_calibration.py " + " ".join(f'"{named_folder(out)[0]}=OUT"' for out in outs)
        command += f" --one-person {one_person}" if one_person else ""
        command += " --rendered OUT" if rendered else ""
        click.echo(write_results("score-calibration", command, found))


def _text(cell: object) -> str:
    return f"{cell.value:g} [{cell.low}, {cell.high}]" if isinstance(cell, Figure) else str(cell)


if __name__ == "__main__":
    cli()
