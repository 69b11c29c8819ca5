"""What the segmentation of one eye picture found: frozen, checked, read-only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from irisstn.geometry import Bool, Boundary, Eyelid

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """The iris ring of one eye picture.

    `pupil` and `limbus` are the ring's inner and outer boundary. `upper_lid` and `lower_lid` are the edges of the lids,
    which need not touch the iris; None where a lid is not seen. `iris_mask` (H, W) is True on the iris between the
    lids, lashes and glints left in; `usable` (H, W) leaves those out too. Both masks are read-only copies.
    """

    pupil: Boundary
    limbus: Boundary
    upper_lid: Eyelid | None
    lower_lid: Eyelid | None
    iris_mask: Bool
    usable: Bool

    def __post_init__(self) -> None:
        for name in ("iris_mask", "usable"):
            object.__setattr__(self, name, _frozen_mask(name, getattr(self, name)))
        if self.iris_mask.shape != self.usable.shape:
            raise ValueError(f"masks of one picture, but {self.iris_mask.shape} and {self.usable.shape}")

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) of the picture."""
        height, width = self.usable.shape
        return int(height), int(width)


def _frozen_mask(name: str, mask: NDArray[np.bool_]) -> Bool:
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"{name} must be (H, W) of bool, got {mask.shape} of {mask.dtype}")
    copy = mask.copy()
    copy.flags.writeable = False
    return copy
