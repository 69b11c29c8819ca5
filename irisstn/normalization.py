"""The rubber sheet: an eye picture and its segmentation become a straight strip."""

from __future__ import annotations

import cv2
import numpy as np

from irisstn.geometry import Float, Gray, ring_places, strip_angles, strip_radii
from irisstn.results import Segmentation, Strip

DEFAULT_SIZE = (64, 512)


def normalize(image: Gray, segmentation: Segmentation, size: tuple[int, int] = DEFAULT_SIZE) -> Strip:
    """Unroll the iris of `image` (H, W) uint8 into a strip of `size` (R, T).

    Convention: see `irisstn.geometry`. Pixels outside the picture are not usable. Raises ValueError where the picture
    and its segmentation differ in size.
    """
    return sample_ring(image, segmentation, ring_grid(size))


def ring_grid(size: tuple[int, int]) -> tuple[Float, Float]:
    """Ring coordinates of a strip's cells: `radius` (R, 1) in 0..1 and `angle_rad` (1, T)."""
    rows, columns = size
    if rows < 1 or columns < 1:
        raise ValueError(f"a strip needs at least one row and one column, got {rows}x{columns}")
    return strip_radii(rows)[:, None], strip_angles(columns)[None, :]


def sample_ring(image: Gray, segmentation: Segmentation, ring: tuple[Float, Float]) -> Strip:
    """Sample `image` at the ring coordinates (`radius`, `angle_rad`), which broadcast to the strip's (R, T).

    The one place where a photograph is read through a ring: the plain rubber sheet and a rectified one differ in
    their coordinates only, so that a rectified strip, too, is interpolated once.
    """
    if image.shape != segmentation.image_size:
        raise ValueError(f"the picture is {image.shape}, its segmentation {segmentation.image_size}")
    if image.dtype != np.uint8:
        raise ValueError(f"the picture must be 8-bit gray, got {image.dtype}")
    x, y = (place.astype(np.float32) for place in ring_places(segmentation.pupil, segmentation.limbus, *ring))
    strip = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = segmentation.usable.view(np.uint8)
    usable = cv2.remap(mask, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return Strip(strip.astype(np.uint8, copy=False), usable.astype(np.bool_))
