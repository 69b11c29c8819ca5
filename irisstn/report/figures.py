"""Quality figures and parameters of the transform over a whole run: quantiles, and small histograms."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irisstn.outputs.records import FIGURE_FIELDS, RecordFields, is_number
from irisstn.quality import RECOMMENDED

HISTOGRAM_SIZE = (144, 24)  # width and height in pixels
_BINS = 24


def figures_of(record: RecordFields) -> Iterator[tuple[str, float]]:
    """Name and value of each figure of a record: trust, texture, quality, parameters of the transform.

    Angles are in degrees: `roll_rad` becomes roll_deg.
    """
    for field in FIGURE_FIELDS:
        value = record.get(field)
        if is_number(value):
            yield field, value
    for values in (record.get("quality"), record.get("rectification")):
        for name, value in values.items() if isinstance(values, dict) else ():
            if is_number(value):
                if name.endswith("_rad"):
                    degrees = math.degrees(value)
                    if math.isfinite(degrees):
                        yield f"{name.removesuffix('_rad')}_deg", degrees
                else:
                    yield name, value


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a histogram: left edge, width and height in pixels."""

    x: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure over all records.

    Attributes
    ----------
    key, name : str
        The figure, as `figures_of` names it, and with spaces.
    quantiles : tuple of float
        5 %, median and 95 %.
    outside : int or None
        How many values lie outside the range that ISO/IEC 29794-6 recommends; None where it recommends none.
    bars : tuple of Bar
        The histogram, of `HISTOGRAM_SIZE`; empty bins are left out.
    """

    key: str
    name: str
    quantiles: tuple[float, ...]
    outside: int | None
    bars: tuple[Bar, ...]


class Figures:
    """Collects the figures of many records, eight bytes for each number."""

    def __init__(self) -> None:
        self._values: dict[str, array[float]] = {}

    def add(self, record: RecordFields) -> None:
        """Add the figures of one record."""
        for name, value in figures_of(record):
            held = self._values.get(name)
            if held is None:
                held = self._values[name] = array("d")
            held.append(value)

    def rows(self) -> list[FigureRow]:
        """A row for each figure, in the order of their first appearance."""
        return [_row(name, np.frombuffer(values)) for name, values in self._values.items()]


def _row(name: str, values: NDArray[np.float64]) -> FigureRow:
    """The row of the figure `name` with `values` (N,)."""
    quantiles = tuple(np.quantile(values, (0.05, 0.5, 0.95)).tolist())
    try:
        counts, _ = np.histogram(values, _BINS)
    except (ValueError, IndexError):  # the range is too wide or too narrow for so many bins; NumPy 2.0: IndexError
        counts, _ = np.histogram(np.sign(values - quantiles[1]), _BINS)
    width, height = HISTOGRAM_SIZE
    step = width / _BINS
    heights = height * counts / counts.max()
    bars = tuple(Bar(index * step, step - 1, float(tall)) for index, tall in enumerate(heights) if tall > 0)
    return FigureRow(name, name.replace("_", " "), quantiles, _outside(name, values), bars)


def _outside(name: str, values: NDArray[np.float64]) -> int | None:
    """How many of `values` (N,) of the figure `name` lie outside the recommended range."""
    if name not in RECOMMENDED:
        return None
    low, high = RECOMMENDED[name]
    return int(np.count_nonzero((values < low) | (values > high)))
