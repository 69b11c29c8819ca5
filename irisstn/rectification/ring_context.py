"""What the localization net looks at: the iris ring with what lies around it.

How far a head is tilted shows in the lids more than in the iris, and a boundary that is off shows as pupil or sclera
just beyond it. So the net is given the ring and a margin: a quarter of the ring's width inside the pupil, three
quarters outside the limbus. Where there is only a strip, the margin is marked as not present.

The lids are given as distances from their edges, everywhere: a lid that is tilted by a degree moves a distance a little
in all places, also where it is itself out of sight, while of a mask it moves a few pixels at its edge. Their parabolas
come beside the planes as numbers: the roll is read off those, exactly, whatever the shape of the ring.

Convention: a context (R, T) has the columns of a strip of T columns. Its rows are evenly spaced in the ring's radius
from -1/4 to 7/4, so half of them are the ring's own: of 64 rows, 8 lie inside the pupil, 32 in the ring, 24 outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Bool, Boundary, Eyelid, Eyelids, Float, Float32, Gray, ring_places, strip_angles
from irisstn.results import Segmentation, Strip

Kind = TypeVar("Kind", bound=np.generic)

CONTEXT_SIZE = (64, 256)
PLANES = ("gray", "usable", "below", "above", "present")
LID_REACH = 1.5  # iris radii from a lid's edge beyond which it is out of mind, and what stands where no lid is known
INSIDE, RING, OUTSIDE = 1, 4, 3  # eighths of the rows
NO_LIDS = np.zeros((2, 5), np.float32)
NO_LIDS.flags.writeable = False


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """A ring and its margin, all (R, T) and read-only: `image` uint8, two masks of bool, two distances of float32.

    `usable` = usable iris, never in the margin; `below` = how far below the upper lid's edge, `above` = how far above
    the lower one's, in iris radii, at most `LID_REACH` either way; `present` = inside the picture, and known.

    `lids` (2, 5) float32 are the parabolas of the upper and the lower lid, see `lid_parabolas`; zeros where unknown.
    """

    image: Gray
    usable: Bool
    below: Float32
    above: Float32
    present: Bool
    lids: Float32

    def __post_init__(self) -> None:
        kinds = {"image": np.uint8, "usable": np.bool_, "below": np.float32, "above": np.float32, "present": np.bool_}
        for name, kind in kinds.items():
            plane = getattr(self, name)
            if plane.shape != self.image.shape or plane.ndim != 2 or plane.dtype != kind:
                raise ValueError(f"a context's {name} must be {kind.__name__} of one shape (R, T), got {plane.shape}")
            object.__setattr__(self, name, _read_only(plane))
        if self.lids.shape != NO_LIDS.shape or self.lids.dtype != np.float32:
            raise ValueError(f"a context's lids must be float32 {NO_LIDS.shape}, got {self.lids.shape}")
        object.__setattr__(self, "lids", _read_only(self.lids))

    def planes(self) -> NDArray[np.float32]:
        """The net's input (5, R, T) float32, see `PLANES`: gray of mean 0 and deviation 1 over the usable cells."""
        gray = self.image.astype(np.float32)
        seen = gray[self.usable]
        mean, spread = (float(seen.mean()), float(seen.std())) if seen.size else (0.0, 1.0)
        gray = np.where(self.present, (gray - mean) / (spread + 1.0), 0)
        return np.stack([gray, self.usable, self.below, self.above, self.present]).astype(np.float32)


def ring_rows(rows: int) -> slice:
    """The rows of a context of `rows` rows (a multiple of 8) that are the ring itself."""
    if rows < 8 or rows % 8:
        raise ValueError(f"a context's rows must be a multiple of 8, got {rows}")
    return slice(rows * INSIDE // 8, rows * (INSIDE + RING) // 8)


def context_radii(rows: int) -> Float:
    """The ring radius (R,) of each row of a context: 0 = pupil, 1 = limbus."""
    ring = ring_rows(rows)
    return np.asarray((np.arange(rows) + 0.5 - ring.start) / (ring.stop - ring.start))


def context_of_eye(
    image: Gray, segmentation: Segmentation, *, roll_rad: float = 0.0, size: tuple[int, int] = CONTEXT_SIZE
) -> Context:
    """The context of `size` (R, T) of the photograph `image` (H, W) uint8; column 0 begins at the angle `roll_rad`."""
    if image.shape != segmentation.image_size or image.dtype != np.uint8:
        raise ValueError(f"an 8-bit picture of {segmentation.image_size} is needed, got {image.dtype} {image.shape}")
    rows, columns = size
    radius, angle = context_radii(rows)[:, None], strip_angles(columns)[None, :] + roll_rad
    places = ring_places(segmentation.pupil, segmentation.limbus, radius, angle)
    x, y = (place.astype(np.float32) for place in places)
    height, width = image.shape
    present = (x > -0.5) & (y > -0.5) & (x < width - 0.5) & (y < height - 0.5)
    # The photograph is several times finer than the context: smooth it to the context's own scale first.
    scale = (segmentation.limbus.mean_radius - segmentation.pupil.mean_radius) / (rows * RING / 8)
    smooth = cv2.GaussianBlur(image, (0, 0), 0.5 * scale) if scale > 1.2 else image
    gray = cv2.remap(smooth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
    mask = segmentation.usable.view(np.uint8)
    usable = cv2.remap(mask, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0).astype(np.bool_)
    in_ring = np.zeros((rows, 1), bool)
    in_ring[ring_rows(rows)] = True
    unit = segmentation.limbus.mean_radius
    below, above = _off(segmentation.upper_lid, (x, y), unit), _off(segmentation.lower_lid, (x, y), -unit)
    lids = lid_parabolas(segmentation.limbus, (segmentation.upper_lid, segmentation.lower_lid), roll_rad=roll_rad)
    return Context(gray, usable & in_ring, below, above, present, lids)


def lid_parabolas(limbus: Boundary, lids: Eyelids, *, roll_rad: float = 0.0) -> Float32:
    """The `lids` as numbers (2, 5), the upper one first, in iris radii around the centre of `limbus`.

    Of each: 1 where it is known, the angle in rad of its frame to column 0 of a strip that begins at `roll_rad`, and
    c0, c1, c2 of v = c0 + c1 u + c2 u^2 in that frame, as in `irisstn.geometry.Eyelid`. Zeros where it is not known.
    """
    found = NO_LIDS.copy()
    for which, lid in enumerate(lids):
        if lid is None:
            continue
        cosine, sine = np.cos(lid.angle_rad), np.sin(lid.angle_rad)
        x, y = limbus.x - lid.x, limbus.y - lid.y
        along, across = x * cosine + y * sine, y * cosine - x * sine
        c0, c1, c2 = lid.coefficients
        level, slope = c0 + along * (c1 + c2 * along) - across, c1 + 2 * c2 * along
        unit = limbus.mean_radius
        found[which] = 1, lid.angle_rad - roll_rad, level / unit, slope, c2 * unit
    return found


def context_of_strip(strip: Strip, *, lids: Float32 = NO_LIDS, size: tuple[int, int] = CONTEXT_SIZE) -> Context:
    """The context of `size` (R, T) of a bare strip of any size: its margin is not present.

    `lids` (2, 5) are those of `lid_parabolas`, where somebody knows them; the planes stay those of a bare strip.
    """
    rows, columns = size
    ring = ring_rows(rows)
    shape = (columns, ring.stop - ring.start)
    image, usable, present = np.zeros(size, np.uint8), np.zeros(size, bool), np.zeros(size, bool)
    image[ring] = cv2.resize(strip.image, shape, interpolation=cv2.INTER_AREA)
    usable[ring] = cv2.resize(strip.usable.view(np.uint8), shape, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
    present[ring] = True
    unknown = np.full(size, LID_REACH, np.float32)
    return Context(image, usable, unknown, unknown, present, lids)


def without_margin(context: Context) -> Context:
    """The same context as a bare strip would give it."""
    ring = ring_rows(context.image.shape[0])
    kept = np.zeros(context.image.shape, bool)
    kept[ring] = True
    unknown = np.full(context.image.shape, LID_REACH, np.float32)
    return Context(np.where(kept, context.image, np.uint8(0)), context.usable & kept, unknown, unknown, kept, NO_LIDS)


def _read_only(array: NDArray[Kind]) -> NDArray[Kind]:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def _off(lid: Eyelid | None, points: tuple[Float32, Float32], unit: float) -> Float32:
    """How far below the edge of `lid` the `points` (x, y), (R, T) each, lie in units of `unit`, within `LID_REACH`.

    `unit` is the iris radius, negative for how far above.
    """
    if lid is None:
        return np.full(points[0].shape, LID_REACH, np.float32)
    return np.asarray(np.clip(lid.below(*points) / unit, -LID_REACH, LID_REACH), np.float32)
