"""The results that stages pass on: frozen dataclasses with checked shapes and read-only arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from irisstn.geometry import TAU, Bool, Boundary, Eyelid, Gray

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUARTER_RAD = 0.25 * TAU


@dataclass(frozen=True, slots=True)
class Confidence:
    """How far a segmentation is to be trusted.

    Attributes
    ----------
    trust : float
        How well the network's maps fit a pupil and an iris: the lesser intersection over union, 0..1.
    pupil_sd_px, limbus_sd_px : float
        Standard deviations of a boundary's centre and radius in pixels, roughly; fitted on rendered eyes.
    eyes_seen : int
        Number of eyes in the picture, of which this is one.
    texture : float or None
        Contrast of the iris's texture in gray levels; None where too little of the iris is visible.
    turn_guessed : bool
        Whether the picture was taken for one of a camera on its side, and which eyelid is the upper one was guessed.
    """

    trust: float
    pupil_sd_px: float
    limbus_sd_px: float
    eyes_seen: int = 1
    texture: float | None = None
    turn_guessed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """The segmentation of one eye picture, in its pixels.

    Attributes
    ----------
    pupil, limbus : Boundary
        Inner and outer boundary of the iris.
    upper_lid, lower_lid : Eyelid or None
        Edges of the eyelids, which need not touch the iris; None where an eyelid is not visible.
    iris_mask : ndarray of bool, shape (H, W)
        True on the iris between the eyelids, including eyelashes and specular reflections. A read-only copy.
    usable : ndarray of bool, shape (H, W)
        True on the iris without any occlusion. A read-only copy.
    confidence : Confidence or None
        How far the segmentation is to be trusted; None where it was not estimated, as of boundaries from elsewhere.
    opening_axis_rad : float or None
        Direction of the long axis of the opening between the eyelids in the whole picture, an angle whose multiples of
        pi are equal; None where it is not known, as of boundaries from elsewhere. The roll is read off it, too.

    Raises
    ------
    ValueError
        Where the masks are not bool, not two-dimensional, or differ in shape.
    """

    pupil: Boundary
    limbus: Boundary
    upper_lid: Eyelid | None
    lower_lid: Eyelid | None
    iris_mask: Bool
    usable: Bool
    confidence: Confidence | None = None
    opening_axis_rad: float | None = None

    def __post_init__(self) -> None:
        for name in ("iris_mask", "usable"):
            object.__setattr__(self, name, _frozen_mask(name, getattr(self, name)))
        if self.iris_mask.shape != self.usable.shape:
            raise ValueError(f"masks of one picture, but {self.iris_mask.shape} and {self.usable.shape}")

    @property
    def turned_rad(self) -> float:
        """The multiple of a quarter turn by which the eyelids, and so the picture, are turned clockwise.

        Strips begin at this angle, so that they do not depend on how the camera was mounted.
        """
        eyelid = self.upper_lid or self.lower_lid
        return 0.0 if eyelid is None else _QUARTER_RAD * (round(eyelid.angle_rad / _QUARTER_RAD) % 4)

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) of the picture."""
        height, width = self.usable.shape
        return int(height), int(width)


def _frozen_mask(name: str, mask: NDArray[np.bool_]) -> Bool:
    """A read-only copy of `mask`. Raises ValueError, which names the field, for another shape or type."""
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"{name} must be (H, W) of bool, got {mask.shape} of {mask.dtype}")
    copy = mask.copy()
    copy.flags.writeable = False
    return copy


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A normalised iris; `irisstn.geometry` states the meaning of rows and columns.

    Attributes
    ----------
    image : ndarray of uint8, shape (R, T)
        Gray levels. A read-only copy.
    usable : ndarray of bool, shape (R, T)
        True where the iris is not occluded. A read-only copy.

    Raises
    ------
    ValueError
        Where an array has another shape or type.
    """

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


def require_strips(strips: object) -> None:
    """Refuse what is neither a strip nor several of them.

    Parameters
    ----------
    strips : object
        What was given as strips.

    Raises
    ------
    ValueError
        Where it is neither a `Strip` nor an iterable that may hold some; the message says how to make one.
    """
    if isinstance(strips, str | bytes | np.ndarray) or not isinstance(strips, Strip | Iterable):
        raise ValueError(
            f"an irisstn.Strip or a list of them is needed, got {type(strips).__name__}: irisstn.normalize makes one "
            "of a picture, which irisstn.read_gray reads, and its segmentation"
        )
