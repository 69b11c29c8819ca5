"""Files benchmarks/results/NAME.json, from which docs/results.md and docs/performance.md are made.

    {"benchmark": str, "command": str, "commit": str | null, "date": str, "machine": str, "versions": {str: str},
     "seed": int, "tables": [{"title": str, "columns": [str], "rows": [[cell]]}]}

A cell is a text, a number, or a figure {"value": x, "low": a, "high": b, "n": k, "unit": "%"}, of which all but the
value may be missing. A file holds no path of this machine and no picture of a real eye.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import ArrayLike, NDArray

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("irisstn", "numpy", "opencv-python-headless", "torch", "lightning", "pytorch-metric-learning")

results_option = click.option(
    "--results/--no-results", default=True, show_default=True, help="Write the figures to benchmarks/results/."
)


def named_folder(text: str) -> tuple[str, Path]:
    """Split NAME=FOLDER. Raises click.UsageError where it is something else, or there is no such folder."""
    name, found, folder = text.partition("=")
    if not found or not Path(folder).is_dir():
        raise click.UsageError(f"NAME=FOLDER is needed, a name and a folder that exists; got {text}")
    return name, Path(folder)


def mean_interval(values: ArrayLike, subjects: Sequence[str] | NDArray[Any], resamples: int) -> tuple[float, float]:
    """Compute the 95 % bootstrap interval over subjects of a mean.

    Parameters
    ----------
    values : array_like, shape (N,)
        The values.
    subjects : sequence, length N
        The subject of each value.
    resamples : int
        Bootstrap resamples.

    Returns
    -------
    tuple of float
        Its ends, equal for equal arguments.
    """
    names, numbers = np.unique(subjects, return_inverse=True)
    totals = np.bincount(numbers, minlength=len(names)).astype(float)
    sums = np.bincount(numbers, np.asarray(values), minlength=len(names))
    drawn = np.random.default_rng(0).integers(len(names), size=(resamples, len(names)))
    low, high = np.quantile(sums[drawn].sum(1) / totals[drawn].sum(1), [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with what is known about it.

    Attributes
    ----------
    value : float
        The number.
    low, high : float or None
        Ends of its interval; the table's title says which one.
    n : int or None
        Sample size.
    unit : str or None
        Unit, such as "%", "px" or "ms".
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str | None = None


Cell = str | float | Figure


@dataclass(frozen=True, slots=True)
class Table:
    """A table of results.

    Attributes
    ----------
    title : str
        What is measured, on what, and the kind of the intervals.
    columns : sequence of str, length C
        Headings.
    rows : sequence of sequences of Cell, each of length C
        The cells; a first column of texts names the rows.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def __post_init__(self) -> None:
        if not self.rows or any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"{self.title}: every row needs {len(self.columns)} cells, and there must be a row")


def write_results(name: str, command: str, tables: Sequence[Table], *, seed: int = 0, folder: Path = RESULTS) -> Path:
    """Write the results of a benchmark, with command, commit, date, machine and versions.

    Parameters
    ----------
    name : str
        Name of the file, without its suffix: lower-case letters, digits and hyphens.
    command : str
        The command that prints these figures, with a word like EYES in place of each local path.
    tables : sequence of Table
        The figures; at least one table.
    seed : int
        Seed of the benchmark.
    folder : Path
        Where the file is written.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        For another kind of name, no table, or a number that is not finite.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"a name has lower-case letters, digits and hyphens, got {name!r}")
    if not tables:
        raise ValueError("no table to write")
    content = {
        "benchmark": name,
        "command": command,
        "commit": _commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": _machine(),
        "versions": _versions(),
        "seed": seed,
        "tables": [
            {
                "title": table.title,
                "columns": list(table.columns),
                "rows": [[_cell(cell) for cell in row] for row in table.rows],
            }
            for table in tables
        ],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def rates_figure(rates: Mapping[str, float], name: str) -> Figure:
    """Convert an entry of `ErrorRates.as_dict` to percent with its interval and the number of mated comparisons.

    Parameters
    ----------
    rates : mapping of str to float
        Result of `ErrorRates.as_dict`.
    name : str
        "eer", or "fnmr@" and the FMR level.

    Returns
    -------
    Figure
        The rate in %.
    """
    value, low, high = (round(100 * rates[f"{name}{end}"], 4) for end in ("", "_low", "_high"))
    return Figure(value, low, high, int(rates["mated"]), "%")


def slug(text: str) -> str:
    """Reduce a text to a name for `write_results`.

    Parameters
    ----------
    text : str
        Any text with a letter or digit of ASCII.

    Returns
    -------
    str
        Lower-case letters, digits and hyphens.

    Examples
    --------
    >>> slug("CASIA Interval, 1-124")
    'casia-interval-1-124'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _cell(cell: Cell) -> object:
    if not isinstance(cell, Figure):
        return cell
    return {key: value for key, value in asdict(cell).items() if value is not None}


def _commit() -> str | None:
    """The commit of the working tree; None where git or the repository is missing."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None


def _machine() -> str:
    """Model of the processor and number of cores."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else []
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
