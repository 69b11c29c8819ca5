"""The input of the localization network: the iris ring and the area around it.

The tilt of a head shows in the eyelids more than in the iris, and a wrong boundary shows as pupil or sclera just beyond
it. So the network gets the ring with a margin: a quarter of the ring's width inside the pupil, and three quarters
outside the limbus. A strip without its photograph has no margin, which is marked as not present.

The eyelids are given as the distance of every point from their edges. Where an eyelid tilts by a degree, its distance
changes a little everywhere, also where it is hidden, whereas a mask changes in a few pixels along the edge. The
parabolas of the eyelids are given as numbers, too: the roll is read off these, whatever the shape of the ring.

Convention: a context (R, T) has the columns of a strip of T columns. Its rows are evenly spaced in the ring's radius
from -1/4 to 7/4, so that half of them are those of the ring: of 64 rows, 8 lie inside the pupil, 32 in the ring and 24
outside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import TAU, Bool, Boundary, Eyelid, Eyelids, Float, Float32, Gray, strip_angles
from irisstn.normalization import mask_at, require_segmented, ring_positions
from irisstn.rectification.eyelid_roll import turned_to_axis
from irisstn.results import Segmentation, Strip

Kind = TypeVar("Kind", bound=np.generic)

CONTEXT_SIZE = (64, 256)
PLANES = ("gray", "usable", "below", "above", "present")
LID_REACH = 1.5  # largest distance from an eyelid, in iris radii; also the value where none is known
INSIDE, RING = 1, 4  # eighths of the rows; three more lie outside the limbus
NO_EYELIDS = np.zeros((2, 5), np.float32)
NO_EYELIDS.flags.writeable = False


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """A ring and its margin; all arrays are read-only copies.

    Attributes
    ----------
    image : ndarray of uint8, shape (R, T)
        Gray levels.
    usable : ndarray of bool, shape (R, T)
        Usable iris; False in the margin.
    below, above : ndarray of float32, shape (R, T)
        Distance below the edge of the upper and above that of the lower eyelid, in iris radii, clipped to
        ±`LID_REACH`.
    present : ndarray of bool, shape (R, T)
        Whether the gray level is known: inside the picture.
    eyelids : ndarray of float32, shape (2, 5)
        Parabolas of the upper and the lower eyelid, see `eyelid_parabolas`; zeros where unknown. Of a photograph, both
        are turned halfway to the axis of the opening between them, where it is known.

    Raises
    ------
    ValueError
        Where a shape or type does not fit.
    """

    image: Gray
    usable: Bool
    below: Float32
    above: Float32
    present: Bool
    eyelids: Float32

    def __post_init__(self) -> None:
        kinds = {"image": np.uint8, "usable": np.bool_, "below": np.float32, "above": np.float32, "present": np.bool_}
        for name, kind in kinds.items():
            plane = getattr(self, name)
            if plane.shape != self.image.shape or plane.ndim != 2 or plane.dtype != kind:
                raise ValueError(f"a context's {name} must be {kind.__name__} of one shape (R, T), got {plane.shape}")
            object.__setattr__(self, name, _read_only(plane))
        if self.eyelids.shape != NO_EYELIDS.shape or self.eyelids.dtype != np.float32:
            raise ValueError(f"a context's eyelids must be float32 {NO_EYELIDS.shape}, got {self.eyelids.shape}")
        object.__setattr__(self, "eyelids", _read_only(self.eyelids))

    def planes(self) -> NDArray[np.float32]:
        """Input planes of the localization network.

        Returns
        -------
        ndarray of float32, shape (5, R, T)
            In the order of `PLANES`; the gray levels have mean 0 and standard deviation 1 over the usable cells.
        """
        gray = self.image.astype(np.float32)
        seen = gray[self.usable]
        mean, spread = (float(seen.mean()), float(seen.std())) if seen.size else (0.0, 1.0)
        gray = np.where(self.present, (gray - mean) / (spread + 1.0), 0)
        planes = np.empty((len(PLANES), *gray.shape), np.float32)
        for plane, values in zip(planes, (gray, self.usable, self.below, self.above, self.present), strict=True):
            plane[...] = values
        return planes


def ring_rows(rows: int) -> slice:
    """Rows of a context that are those of the ring.

    Parameters
    ----------
    rows : int
        Rows of the context, a multiple of 8.

    Returns
    -------
    slice
        The rows.

    Raises
    ------
    ValueError
        For another number of rows.

    Examples
    --------
    >>> ring_rows(64)
    slice(8, 40, None)
    """
    if rows < 8 or rows % 8:
        raise ValueError(f"a context's rows must be a multiple of 8, got {rows}")
    return slice(rows * INSIDE // 8, rows * (INSIDE + RING) // 8)


def context_radii(rows: int) -> Float:
    """Ring radius of each row of a context.

    Parameters
    ----------
    rows : int
        Rows R of the context, a multiple of 8.

    Returns
    -------
    ndarray of float, shape (R,)
        0 = pupil, 1 = limbus.
    """
    ring = ring_rows(rows)
    return np.asarray((np.arange(rows) + 0.5 - ring.start) / (ring.stop - ring.start))


def context_of_eye(image: Gray, segmentation: Segmentation, *, roll_rad: float = 0.0) -> Context:
    """Context of an eye in a photograph.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The photograph.
    segmentation : Segmentation
        Its segmentation.
    roll_rad : float
        Angle at which column 0 begins.

    Returns
    -------
    Context
        The ring with its margin, of `CONTEXT_SIZE`.

    Raises
    ------
    ValueError
        Where the image does not fit the segmentation.
    """
    require_segmented(image, segmentation)
    rows, columns = CONTEXT_SIZE
    x, y = ring_positions(segmentation, (context_radii(rows)[:, None], strip_angles(columns)[None, :] + roll_rad))
    height, width = image.shape
    present = (x > -0.5) & (y > -0.5) & (x < width - 0.5) & (y < height - 0.5)
    # The photograph is several times finer than the context: smooth it to the context's own scale first.
    scale = (segmentation.limbus.mean_radius - segmentation.pupil.mean_radius) / (rows * RING / 8)
    smooth = cv2.GaussianBlur(image, (0, 0), 0.5 * scale) if scale > 1.2 else image
    gray = cv2.remap(smooth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
    usable = mask_at(segmentation.usable, x, y)
    in_ring = np.zeros((rows, 1), bool)
    in_ring[ring_rows(rows)] = True
    unit = segmentation.limbus.mean_radius
    below = _eyelid_distance(segmentation.upper_lid, (x, y), unit)
    above = _eyelid_distance(segmentation.lower_lid, (x, y), -unit)
    eyelids = eyelid_parabolas(
        segmentation.limbus,
        (segmentation.upper_lid, segmentation.lower_lid),
        roll_rad=roll_rad + segmentation.turned_rad,
        axis_rad=segmentation.opening_axis_rad,
    )
    return Context(gray, usable & in_ring, below, above, present, eyelids)


def eyelid_parabolas(
    limbus: Boundary, eyelids: Eyelids, *, roll_rad: float = 0.0, axis_rad: float | None = None
) -> Float32:
    """Eyelids as numbers, relative to the centre of the limbus and in iris radii.

    Parameters
    ----------
    limbus : Boundary
        The limbus.
    eyelids : tuple of Eyelid or None
        The upper and the lower eyelid; None where unknown.
    roll_rad : float
        Angle at which column 0 of the strip begins.
    axis_rad : float, optional
        Direction of the opening between the eyelids, as in `Segmentation.opening_axis_rad`: both eyelids are turned
        halfway to it, see `irisstn.rectification.eyelid_roll.turned_to_axis`.

    Returns
    -------
    ndarray of float32, shape (2, 5)
        For each eyelid: 1; the angle in radians between its frame and column 0; and c0, c1, c2 of
        v = c0 + c1 u + c2 u^2 in that frame, as in `irisstn.geometry.Eyelid`. Zeros where it is unknown.
    """
    found = NO_EYELIDS.copy()
    for which, eyelid in enumerate(eyelids):
        if eyelid is None:
            continue
        cosine, sine = np.cos(eyelid.angle_rad), np.sin(eyelid.angle_rad)
        x, y = limbus.x - eyelid.x, limbus.y - eyelid.y
        along, across = x * cosine + y * sine, y * cosine - x * sine
        c0, c1, c2 = eyelid.coefficients
        level, slope = c0 + along * (c1 + c2 * along) - across, c1 + 2 * c2 * along
        unit = limbus.mean_radius
        found[which] = 1, math.remainder(eyelid.angle_rad - roll_rad, TAU), level / unit, slope, c2 * unit
    return found if axis_rad is None else turned_to_axis(found, axis_rad - roll_rad)


def pupil_share(segmentation: Segmentation) -> float:
    """Radius of the pupil as a fraction of that of the limbus."""
    return segmentation.pupil.mean_radius / segmentation.limbus.mean_radius


def context_of_strip(strip: Strip, *, eyelids: Float32 = NO_EYELIDS) -> Context:
    """Context of a strip without its photograph: the margin is not present.

    Parameters
    ----------
    strip : Strip
        A strip of any size.
    eyelids : ndarray of float32, shape (2, 5)
        Eyelids as in `eyelid_parabolas`, where known. They do not change the planes.

    Returns
    -------
    Context
        The ring, in a context of `CONTEXT_SIZE`.
    """
    rows, columns = CONTEXT_SIZE
    ring = ring_rows(rows)
    shape = (columns, ring.stop - ring.start)
    image, usable = np.zeros(CONTEXT_SIZE, np.uint8), np.zeros(CONTEXT_SIZE, bool)
    image[ring] = cv2.resize(strip.image, shape, interpolation=cv2.INTER_AREA)
    usable[ring] = cv2.resize(strip.usable.view(np.uint8), shape, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
    present = np.zeros(CONTEXT_SIZE, bool)
    present[ring] = True
    unknown = np.full(CONTEXT_SIZE, LID_REACH, np.float32)
    return Context(image, usable, unknown, unknown, present, eyelids)


def without_margin(context: Context) -> Context:
    """Remove the margin and the eyelids from a context, as if it had been computed from a strip.

    Parameters
    ----------
    context : Context
        A context.

    Returns
    -------
    Context
        Its ring.
    """
    ring = ring_rows(context.image.shape[0])
    kept = np.zeros(context.image.shape, bool)
    kept[ring] = True
    unknown = np.full(context.image.shape, LID_REACH, np.float32)
    return Context(
        np.where(kept, context.image, np.uint8(0)), context.usable & kept, unknown, unknown, kept, NO_EYELIDS
    )


def _read_only(array: NDArray[Kind]) -> NDArray[Kind]:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def _eyelid_distance(eyelid: Eyelid | None, points: tuple[Float32, Float32], unit: float) -> Float32:
    """Distance of the points (x, y) below the edge of an eyelid, in units of `unit` px; above it for a negative one."""
    if eyelid is None:
        return np.full(points[0].shape, LID_REACH, np.float32)
    return np.asarray(np.clip(eyelid.below(*points) / unit, -LID_REACH, LID_REACH), np.float32)
