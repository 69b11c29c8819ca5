"""Pictures of results: boundaries on an image, input beside output, grids of an STN's results.

`side_by_side` needs torch, which is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irisstn.visualization.overlay import draw_overlay

if TYPE_CHECKING:
    from irisstn.visualization.grids import side_by_side

__all__ = ["draw_overlay", "side_by_side"]


def __getattr__(name: str) -> object:
    """Import the grids when they are first used."""
    if name != "side_by_side":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from irisstn.visualization import grids  # noqa: PLC0415  (it imports torch)

    return grids.side_by_side
