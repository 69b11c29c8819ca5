"""Memory and processor time of searches in a gallery, exact and approximate."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from results_file import Cell, Table

from irisstn.recognition import HnswIndex, search

Vectors = NDArray[np.float32]
_INDEXED = 20_000  # eyes of the approximate index


def speed_table(probes: Vectors, gallery: Vectors) -> Table:
    """The table of a search of probes (P, D) among simulated eyes (N, D), and what is computed for more eyes."""
    size = len(gallery)
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
    firsts = [(a[0].number, b[0].number if b else -1) for a, b in zip(exact, approximate, strict=True) if a]
    recall = 100 * sum(a == b for a, b in firsts) / max(len(firsts), 1)
    sizes = [*([size] if size > len(part) else []), 10 * size]
    rows += [
        ["HNSW", len(part), round(index_mb), round(built_s), round(index_ms, 2), round(recall, 1)],
        *(_grown(count, len(part), index_mb, built_s, index_ms) for count in sizes),
    ]
    click.echo(
        f"largest resident size of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB"
    )
    heads = ["search", "gallery", "memory, MB", "build, s", "search of a probe, ms", "same first candidate, %"]
    return Table("Memory and processor time, one thread, simulated eyes of 512 floats", heads, rows)


def _grown(size: int, measured: int, megabytes: float, built_s: float, search_ms: float) -> list[Cell]:
    """What `size` eyes n need: the memory of an index grows with n, its build with n log n, a search with log n."""
    times = size / measured
    logs = float(np.log(size) / np.log(measured))
    figures = [round(times * megabytes), round(times * logs * built_s), round(logs * search_ms, 2)]
    return ["HNSW, computed", size, *figures, "not known"]
