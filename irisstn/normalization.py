"""The rubber sheet: normalisation of an eye picture with its segmentation to a strip."""

from __future__ import annotations

import cv2
import numpy as np

from irisstn.config import MAX_SIDE
from irisstn.geometry import Bool, Float, Float32, Gray, ring_places, strip_angles, strip_radii
from irisstn.geometry.radial_interpolation import NODES, radial_interpolation
from irisstn.geometry.ring_transform import boundaries_are_moved, move_in_ring
from irisstn.gray_levels import require_gray
from irisstn.results import Segmentation, Strip

DEFAULT_SIZE = (64, 512)
_MOST_APART_PX = 5e-4  # error at the checked radius from which on all positions are computed


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
        Where picture and segmentation differ in size, the picture is not 8-bit gray, or `size` is not two integers from
        1 to 4096.
    """
    return sample_ring(image, segmentation, ring_grid(require_size(size)))


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


def require_size(size: object) -> tuple[int, int]:
    """The size (R, T) of a strip as two int.

    Raises
    ------
    ValueError
        Where it is not two integers from 1 to 4096.
    """
    sides = tuple(size) if isinstance(size, tuple | list | np.ndarray) else ()
    if len(sides) != 2 or not all(isinstance(side, int | np.integer) and not isinstance(side, bool) for side in sides):
        raise ValueError(f"the size of a strip is two integers, rows and columns, such as (64, 512), got {size!r}")
    rows, columns = map(int, sides)
    if rows < 1 or columns < 1:
        raise ValueError(f"a strip needs at least one row and one column, got {rows}x{columns}")
    if max(rows, columns) > MAX_SIDE:
        raise ValueError(f"a strip has at most {MAX_SIDE} rows and as many columns, got {rows}x{columns}")
    return rows, columns


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
    require_segmented(image, segmentation)
    return _sample(image, segmentation, *ring_positions(segmentation, ring))


def sample_moved_ring(
    image: Gray, segmentation: Segmentation, parameters: Float, size: tuple[int, int]
) -> tuple[Strip, float]:
    """Sample a picture at the cells of a strip that a ring transform moves.

    Along a column, the positions are a smooth function of the radius. They are computed at a few Chebyshev nodes and
    interpolated by the polynomial through these, which takes a third of the time. Where that would be off by more than
    0.001 px, all positions are computed.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        An eye picture.
    segmentation : Segmentation
        Its segmentation.
    parameters : ndarray, shape (12,)
        Of the transform, in the order of `irisstn.geometry.ring_transform.NAMES`.
    size : tuple of int
        (R, T) of the strip.

    Returns
    -------
    strip : Strip
        As from `sample_ring`; with the identity equal to `normalize(image, segmentation, size)`.
    outside : float
        Fraction of the cells that lie inside the pupil or beyond the limbus, 0..1.

    Raises
    ------
    ValueError
        Where picture and segmentation differ in size, the picture is not 8-bit gray, or `size` is not two integers from
        1 to 4096.
    """
    require_segmented(image, segmentation)
    size = require_size(size)
    places, radius = _interpolated_places(segmentation, parameters, size) or _moved_places(
        segmentation, parameters, *ring_grid(size)
    )
    x, y = places.astype(np.float32)
    return _sample(image, segmentation, x, y), np.count_nonzero((radius < 0) | (radius > 1)) / radius.size


def require_segmented(image: object, segmentation: object) -> None:
    """Refuse what is no 8-bit gray picture, no segmentation, or the segmentation of a picture of another size.

    Raises
    ------
    ValueError
        With what was given, and how to make a picture or a segmentation.
    """
    require_gray(image)
    if not isinstance(segmentation, Segmentation):
        raise ValueError(f"a Segmentation is needed, got {type(segmentation).__name__}: irisstn.segment makes one")
    if isinstance(image, np.ndarray) and image.shape != segmentation.image_size:
        raise ValueError(f"the picture is {image.shape}, its segmentation {segmentation.image_size}")


def _sample(image: Gray, segmentation: Segmentation, x: Float32, y: Float32) -> Strip:
    """The strip at the positions (x, y), each (R, T)."""
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


def _moved_places(
    segmentation: Segmentation, parameters: Float, radius: Float, angle_rad: Float
) -> tuple[Float, Float]:
    """Positions (2, R, T) in pixels of the cells at `radius` (R, 1) and `angle_rad` (1, T), and their radii (R, T)."""
    moved, angle = move_in_ring(np, parameters[None], radius[None], angle_rad[None])
    places = ring_places(segmentation.pupil, segmentation.limbus, moved[0], angle[0] + segmentation.turned_rad)
    return np.stack(places), np.broadcast_to(moved[0], places[0].shape)


def _interpolated_places(
    segmentation: Segmentation, parameters: Float, size: tuple[int, int]
) -> tuple[Float, Float] | None:
    """`_moved_places` of a strip of `size`; None where they must be computed cell by cell.

    That is where the strip has few rows; where no boundary is moved, so that the result is exactly the rubber sheet;
    and where a boundary is moved so far that the polynomial misses the position of the checked radius.
    """
    rows, columns = size
    if rows <= 2 * NODES or not boundaries_are_moved(parameters):
        return None
    nodes, matrix = radial_interpolation(rows)
    places, radius = _moved_places(segmentation, parameters, nodes[:, None], strip_angles(columns)[None, :])
    planes = np.concatenate([places, radius[None]])
    found = matrix @ planes[:, :NODES]
    if np.abs(found[:2, rows] - places[:, NODES]).max() > _MOST_APART_PX:
        return None
    return found[:2, :rows], found[2, :rows]
