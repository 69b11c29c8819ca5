"""A contact sheet: pictures of one size side by side, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from irisstn.geometry import Gray
from irisstn.images import encode_png

_COLUMNS = 5


def write_contact_sheet(path: Path, tiles: Sequence[Gray]) -> None:
    """Write one or more pictures of the same size (H, W) as a PNG file, row by row, and its folder."""
    empty = [np.zeros_like(tiles[0])] * (-len(tiles) % _COLUMNS)
    filled = [*tiles, *empty]
    rows = [np.hstack(filled[start : start + _COLUMNS]) for start in range(0, len(filled), _COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.vstack(rows)))
