"""Quality figures and transform parameters over a whole run, as a table with small histograms."""

from __future__ import annotations

import html
from array import array

import numpy as np

from irisstn.outputs.records import Record

_BINS, _WIDTH, _HEIGHT = 24, 144, 24


class Figures:
    """Collects the numbers of many records in little memory."""

    def __init__(self) -> None:
        self._values: dict[str, array[float]] = {}

    def add(self, record: Record) -> None:
        """Take the figures of one record."""
        for group in ("quality", "rectification"):
            values = record.get(group)
            if isinstance(values, dict):
                for name, value in values.items():
                    if isinstance(value, int | float):
                        self._values.setdefault(name, array("d")).append(value)

    def table(self) -> str:
        """A row per figure, as HTML; empty where there are none."""
        if not self._values:
            return ""
        rows = "\n".join(_row(name, np.frombuffer(values)) for name, values in self._values.items())
        head = "".join(f"<th>{word}</th>" for word in ("figure", "5 %", "median", "95 %", "spread"))
        return f"<h2>Figures</h2>\n<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>\n"


def _row(name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    cells = "".join(f"<td>{value:.4g}</td>" for value in (low, middle, high))
    return f"<tr><th>{html.escape(name.replace('_', ' '))}</th>{cells}<td>{_histogram(values)}</td></tr>"


def _histogram(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    counts, _ = np.histogram(values, _BINS)
    step = _WIDTH / _BINS
    bars = "".join(
        f'<rect x="{index * step:g}" y="{_HEIGHT - tall:.1f}" width="{step - 1:g}" height="{tall:.1f}"/>'
        for index, tall in enumerate(_HEIGHT * counts / counts.max())
        if tall > 0
    )
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="histogram">{bars}</svg>'
