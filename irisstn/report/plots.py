"""Plots of an evaluation, as PNG: DET curves and histograms of distances. They need matplotlib, an extra."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from irisstn.evaluation import Comparisons, CountedComparisons, DiscardCurve
from irisstn.evaluation.discard import FMR_LEVEL, FRACTIONS, INITIAL_FNMR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AnyComparisons = Comparisons | CountedComparisons
# Okabe and Ito's colours, which differ for colour-blind readers too; their yellow is too light on white.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_DASHES = ("-", "--", "-.", ":")  # of further runs, whose colours begin anew
_POINTS = 400  # thresholds of a DET curve, at most, by each kind of comparison
_LEAST = 5e-5  # where rates of 0 are drawn, because a logarithmic axis has no 0


def det_plot(runs: Mapping[str, AnyComparisons]) -> bytes:
    """Plot the detection error trade-off of each run: FNMR over FMR, on logarithmic axes (ISO/IEC 19795-1).

    Parameters
    ----------
    runs : mapping of str to Comparisons or CountedComparisons
        The comparisons by the name of the run.

    Returns
    -------
    bytes
        A PNG file.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  (an extra; its import takes half a second)

    figure = Figure(figsize=(5.8, 5.8), layout="constrained")
    axes = figure.add_subplot(
        xscale="log", yscale="log", xlabel="FMR", ylabel="FNMR", title="Detection error trade-off"
    )
    for number, (name, comparisons) in enumerate(runs.items()):
        fmr, fnmr = det_curve(comparisons)
        colour = _COLOURS[number % len(_COLOURS)]
        dash = _DASHES[number // len(_COLOURS) % len(_DASHES)]
        axes.step(fmr.clip(_LEAST), fnmr.clip(_LEAST), where="post", label=name, color=colour, linestyle=dash)
    axes.plot([_LEAST, 1], [_LEAST, 1], color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlim=(_LEAST, 1), ylim=(_LEAST, 1), aspect="equal")
    axes.grid(which="major", color="0.9")
    axes.legend(loc="upper right", fontsize="small")
    return _png(figure)


def det_curve(comparisons: AnyComparisons) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """FMR and FNMR over the threshold.

    Parameters
    ----------
    comparisons : Comparisons or CountedComparisons
        Mated and non-mated distances.

    Returns
    -------
    fmr, fnmr : ndarray, shape (N,)
        The rates at each threshold; thresholds are dense where either rate is small.
    """
    mated, (values, counts) = np.sort(comparisons.mated), comparisons.non_mated_counts()
    below = np.concatenate([[0], np.cumsum(counts)])  # non-mated comparisons below each of `values`
    places = np.searchsorted(below[1:], np.unique(np.geomspace(1, below[-1], _POINTS).astype(int)))
    tail = np.unique(np.geomspace(1, len(mated), _POINTS).astype(int))
    finite = mated[-tail][np.isfinite(mated[-tail])]
    thresholds = np.unique(np.concatenate([values[places], finite]))
    fmr = below[np.searchsorted(values, thresholds, "left")] / below[-1]
    fnmr = 1 - np.searchsorted(mated, thresholds, "left") / len(mated)
    return fmr, fnmr


def discard_plot(curves: Mapping[str, DiscardCurve]) -> bytes:
    """Plot the FNMR of each run over the fraction of comparisons that were discarded for their low quality.

    Parameters
    ----------
    curves : mapping of str to DiscardCurve
        The curves by the name of the run.

    Returns
    -------
    bytes
        A PNG file: full lines at the threshold of an FMR, dashed ones at that of an initial FNMR.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes = figure.add_subplot(
        xlabel="comparisons of lowest quality that are discarded, %", ylabel="FNMR, %", title="Error versus discard"
    )
    share = [100 * fraction for fraction in FRACTIONS]
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(share, [100 * rate for rate in curve.fnmr], label=f"{name}, FMR {FMR_LEVEL:g}", color=colour)
        initial = [100 * rate for rate in curve.fnmr_of_initial]
        axes.plot(share, initial, "--", label=f"{name}, {100 * INITIAL_FNMR:g} % at first", color=colour)
    axes.set(xlim=(0, share[-1]), ylim=(0, None))
    axes.grid(which="major", color="0.9")
    axes.legend(loc="upper right", fontsize="small")
    return _png(figure)


def histogram_plot(runs: Mapping[str, AnyComparisons]) -> bytes:
    """Plot the distribution of mated and of non-mated distances for each run; the bars of each kind have area 1.

    Parameters
    ----------
    runs : mapping of str to Comparisons or CountedComparisons
        The comparisons by the name of the run.

    Returns
    -------
    bytes
        A PNG file.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(6.4, 1.9 * len(runs) + 0.4), layout="constrained")
    for number, (name, comparisons) in enumerate(runs.items(), start=1):
        axes = figure.add_subplot(len(runs), 1, number, title=name, yticks=[])
        mated = comparisons.mated[np.isfinite(comparisons.mated)]
        values, counts = comparisons.non_mated_counts()
        last = values[np.searchsorted(np.cumsum(counts), 0.9999 * counts.sum())]
        least, most = (pick(np.append(mated, end)) for pick, end in ((np.min, values[0]), (np.max, last)))
        bins = np.linspace(float(least), float(most), 80).tolist()
        axes.hist(mated, bins=bins, density=True, alpha=0.7, color=_COLOURS[0], label="mated")
        axes.hist(values, bins=bins, weights=counts, density=True, alpha=0.6, color=_COLOURS[1], label="non-mated")
        axes.legend(loc="upper center", fontsize="small")
    axes.set_xlabel("distance")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    """`figure` as a PNG file that is the same each time."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    return content.getvalue()
