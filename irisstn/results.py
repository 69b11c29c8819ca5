"""What the segmentation of one eye picture found: frozen, checked, read-only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from irisstn.geometry import Bool, Boundary, Eyelid, Gray

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


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A normalized iris: `image` (R, T) 8-bit gray and `usable` (R, T) bool, both read-only copies."""

    image: Gray
    usable: Bool

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.image.dtype != np.uint8:
            raise ValueError(f"a strip's image must be (R, T) of uint8, got {self.image.shape} of {self.image.dtype}")
        if self.usable.shape != self.image.shape or self.usable.dtype != np.bool_:
            raise ValueError(f"a strip's mask must be bool like its image {self.image.shape}, got {self.usable.shape}")
        for name in ("image", "usable"):
            copy = getattr(self, name).copy()
            copy.flags.writeable = False
            object.__setattr__(self, name, copy)

    @property
    def size(self) -> tuple[int, int]:
        """(R, T): rows from the pupil to the limbus, columns around the circle."""
        rows, columns = self.image.shape
        return int(rows), int(columns)
