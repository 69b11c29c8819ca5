"""Draw results: boundaries on a photograph, and inputs of a spatial transformer beside its outputs.

overlay         the boundaries of a segmentation on its photograph
side_by_side    what rectification did to one input
grids           inputs and outputs of any spatial transformer, for a batch of images; imports torch
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irisstn.extras import import_public
from irisstn.visualization.overlay import draw_overlay

if TYPE_CHECKING:
    from irisstn.visualization.grids import draw_inputs_and_outputs

__all__ = ["draw_inputs_and_outputs", "draw_overlay"]


def __getattr__(name: str) -> object:
    """Import the grids, and torch with them, when they are first used."""
    if name != "draw_inputs_and_outputs":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_public("irisstn.visualization.grids", name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
