"""Tables of the benchmark of recognition."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from recognition_conditions import CONDITIONS
from results_file import Cell, Figure, Table, rates_figure

NETWORKS = ("none", "affine", "tps", "ring")  # the STN of each recognizer
Rates = dict[str, dict[str, float]]  # `ErrorRates.as_dict` by "condition/method"


def table(found: dict[str, Rates]) -> str:
    """Format FNMR at FMR 1e-3 in %: one line for each method, one column for each condition.

    Parameters
    ----------
    found : dict of str to Rates
        Result of `main`.

    Returns
    -------
    str
        The table as text.
    """
    first = found["plain"]["as segmented/code ±0"]
    lines = [
        f"{first['mated']:.0f} mated, {first['non_mated']:.0f} non-mated comparisons, {first['subjects']:.0f} eyes",
        f"{'method':<22}" + "".join(f"{condition:<22}" for condition in CONDITIONS),
    ]
    for name in ("code ±0", "code ±16", "oracle ±0", "oracle ±16"):
        lines.append(_line(name, [_interval(found["plain"][f"{condition}/{name}"]) for condition in CONDITIONS]))
    for network, method, runs in _methods(found):
        cells = [_spread([rates[f"{c}/{method}"]["fnmr@0.001"] for rates in runs]) for c in CONDITIONS]
        lines.append(_line(f"{network}: {method}", cells))
    return "\n".join(lines)


def results_tables(name: str, found: dict[str, Rates]) -> list[Table]:
    """Convert the rates to tables for `write_results`.

    Parameters
    ----------
    name : str
        Name of the eyes.
    found : dict of str to Rates
        Result of `main`.

    Returns
    -------
    list of Table
        Iris codes without an STN, and the trained recognizers.
    """
    plain, columns = found["plain"], ["method", *CONDITIONS]
    first = plain["as segmented/code ±0"]
    codes: list[list[Cell]] = [
        [method, *(rates_figure(plain[f"{condition}/{method}"], "fnmr@0.001") for condition in CONDITIONS)]
        for method in ("code ±0", "code ±16", "oracle ±0", "oracle ±16")
    ]
    trained: list[list[Cell]] = []
    for network, method, runs in _methods(found):
        cells = [[100 * rates[f"{condition}/{method}"]["fnmr@0.001"] for rates in runs] for condition in CONDITIONS]
        figures = [Figure(round(float(np.mean(c)), 4), min(c), max(c), len(c), "%") for c in cells]
        trained.append([f"{network}: {method}", *figures])
    of = f"{name}, {first['mated']:.0f} mated and {first['non_mated']:.0f} non-mated comparisons: FNMR at FMR 1e-3"
    return [
        Table(f"{of}; iris codes, 95 % bootstrap intervals over subjects", columns, codes),
        Table(f"{of}; mean over seeds, with the smallest and the largest", columns, trained),
    ]


def _methods(found: dict[str, Rates]) -> Iterator[tuple[str, str, list[Rates]]]:
    """(network, method, rates of its seeds) for every network that has been trained."""
    for network in NETWORKS:
        runs = [rates for name, rates in found.items() if name.startswith(f"{network}-")]
        for method in (("cnn", "cnn oracle") if network == "none" else ("code ±0", "code ±16", "cnn")) if runs else ():
            yield network, method, runs


def _line(name: str, cells: list[str]) -> str:
    return f"{name:<22}" + "".join(f"{cell:<22}" for cell in cells)


def _interval(rates: dict[str, float]) -> str:
    value, low, high = (100 * rates[f"fnmr@0.001{end}"] for end in ("", "_low", "_high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _spread(values: list[float]) -> str:
    return f"{100 * np.mean(values):.1f} ({100 * min(values):.1f}-{100 * max(values):.1f})"
