"""The rubber sheet: normalisation of an eye picture with its segmentation to a strip."""

from __future__ import annotations

import cv2
import numpy as np

from irisstn.geometry import Bool, Float, Float32, Gray, ring_places, strip_angles, strip_radii
from irisstn.gray_levels import require_gray
from irisstn.results import Segmentation, Strip

DEFAULT_SIZE = (64, 512)


def normalize(image: Gray, segmentation: Segmentation, size: tuple[int, int] = DEFAULT_SIZE) -> Strip:
    """Normalise the iris of a picture to a strip, by the rubber sheet of `irisstn.geometry`.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        An eye picture.
    segmentation : Segmentation
        Its segmentation.
    size : tuple of int
        (R, T) of the strip.

    Returns
    -------
    Strip
        Cells outside the picture are not usable.

    Raises
    ------
    ValueError
        Where picture and segmentation differ in size, the picture is not 8-bit gray, or `size` is not positive.
    """
    return sample_ring(image, segmentation, ring_grid(size))


def ring_grid(size: tuple[int, int]) -> tuple[Float, Float]:
    """Ring coordinates of the cells of a strip.

    Parameters
    ----------
    size : tuple of int
        (R, T) of the strip.

    Returns
    -------
    radius : ndarray, shape (R, 1)
        0 = pupil, 1 = limbus.
    angle_rad : ndarray, shape (1, T)
        Radians.

    Raises
    ------
    ValueError
        Where `size` is not positive.
    """
    rows, columns = size
    if rows < 1 or columns < 1:
        raise ValueError(f"a strip needs at least one row and one column, got {rows}x{columns}")
    return strip_radii(rows)[:, None], strip_angles(columns)[None, :]


def sample_ring(image: Gray, segmentation: Segmentation, ring: tuple[Float, Float]) -> Strip:
    """Sample a picture at ring coordinates.

    The plain and the rectified strip of a picture differ in these coordinates alone, so both are interpolated once.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        An eye picture.
    segmentation : Segmentation
        Its segmentation.
    ring : tuple of ndarray
        (radius, angle_rad), of shapes that broadcast to (R, T).

    Returns
    -------
    Strip
        Gray levels by bilinear interpolation, the mask by the nearest pixel; cells outside the picture are not usable.

    Raises
    ------
    ValueError
        Where picture and segmentation differ in size, or the picture is not 8-bit gray.
    """
    require_gray(image)
    if image.shape != segmentation.image_size:
        raise ValueError(f"the picture is {image.shape}, its segmentation {segmentation.image_size}")
    x, y = ring_positions(segmentation, ring)
    strip = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Strip(strip.astype(np.uint8, copy=False), mask_at(segmentation.usable, x, y))


def ring_positions(segmentation: Segmentation, ring: tuple[Float, Float]) -> tuple[Float32, Float32]:
    """Where ring coordinates lie in the picture, as `cv2.remap` takes them.

    Parameters
    ----------
    segmentation : Segmentation
        The segmentation; angles begin at its `turned_rad`.
    ring : tuple of ndarray
        (radius, angle_rad), of shapes that broadcast to (R, T).

    Returns
    -------
    x, y : ndarray of float32, shape (R, T)
        Coordinates in pixels.
    """
    radius, angle = ring[0], ring[1] + segmentation.turned_rad
    x, y = ring_places(segmentation.pupil, segmentation.limbus, radius, angle)
    return x.astype(np.float32), y.astype(np.float32)


def mask_at(mask: Bool, x: Float32, y: Float32) -> Bool:
    """A mask (H, W) at the pixels nearest to the positions (x, y), each (R, T); False outside the picture."""
    found = cv2.remap(mask.view(np.uint8), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(found.astype(np.bool_))
