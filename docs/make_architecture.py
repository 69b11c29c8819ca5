"""The diagram of the layers for the documentation, from the table that `tests/test_layers.py` checks.

python docs/make_architecture.py
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "figures" / "architecture.svg"
WIDTH, ROW, BOX_HEIGHT, GAP, LETTER = 720, 44, 30, 10, 7.3


def read_layers() -> list[set[str]]:
    """The layers, lowest first."""
    sys.path.insert(0, str(ROOT / "tests"))
    layers: list[set[str]] = importlib.import_module("test_layers").LAYERS
    return layers


def diagram(layers: list[set[str]]) -> str:
    """The SVG text: one row of boxes for each layer, the highest at the top."""
    height = ROW * len(layers) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" '
        'font-size="12" text-anchor="middle">',
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#f6f8fa"/>',
    ]
    for row, names in enumerate(reversed(layers)):
        top = GAP + ROW * row
        widths = {name: len(name) * LETTER + 20 for name in sorted(names)}
        x = (WIDTH - sum(widths.values()) - GAP * (len(names) - 1)) / 2
        for name, width in widths.items():
            parts.append(
                f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{BOX_HEIGHT}" rx="4" fill="#ffffff" '
                'stroke="#57606a"/>'
            )
            parts.append(f'<text x="{x + width / 2:.1f}" y="{top + 19}" fill="#1f2328">{name}</text>')
            x += width + GAP
        if row < len(layers) - 1:
            middle = top + BOX_HEIGHT
            parts.append(f'<path d="M{WIDTH / 2} {middle + 2}v8m-4 -4l4 4l4 -4" stroke="#8c959f" fill="none"/>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    OUT.write_text(diagram(read_layers()), encoding="utf-8")
