"""Ring coordinates of the pixels around an iris, and the brightness of the tissue there.

When the size of the pupil changes, the tissue does not stretch evenly along the radius ([1]_, [2]_). Here the tissue at
the radius s of the ring at rest lies at r = s + k s (1 - s), which is monotone for |k| < 1 and keeps both edges: an
approximation of those models by one parameter.

References
----------
.. [1] Wyatt 2000, "A 'minimum-wear-and-tear' meshwork for the iris".
.. [2] Clark et al. 2013, "A theoretical model for describing iris dynamics".
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from irisstn.geometry import TAU, Float
from irisstn.synthetic.capture import Capture
from irisstn.synthetic.eye import PlacedEye
from irisstn.synthetic.identity import Identity
from irisstn.synthetic.noise import smooth_noise

_STEP = 4  # pixels between the points at which ring coordinates are solved; between them they are nearly linear
_TABLE = 1024  # angles at which the radii of the boundaries are tabulated


@dataclass(frozen=True, slots=True, eq=False)
class RingField:
    """Ring coordinates of the pixels of a box around the iris.

    Attributes
    ----------
    rows, columns : slice
        The box in the picture.
    radius : ndarray of float32, shape (h, w)
        0 on the pupil's edge and 1 on the limbus; it continues inside the pupil and outside the limbus.
    tissue : ndarray of float32, shape (h, w)
        Radius of the tissue at rest, 0..1.
    angle_rad : ndarray of float32, shape (h, w)
        Angle in the picture.
    """

    rows: slice
    columns: slice
    radius: Float
    tissue: Float
    angle_rad: Float


def tissue_to_ring(tissue: Float, stretch: float) -> Float:
    """Ring radius of the tissue: r = s + k s (1 - s).

    Parameters
    ----------
    tissue : ndarray
        Radius s of the tissue at rest, 0..1.
    stretch : float
        k.

    Returns
    -------
    ndarray
        r, 0..1.
    """
    return np.asarray(tissue + np.float32(stretch) * tissue * (1 - tissue))


def ring_to_tissue(radius: Float, stretch: float) -> Float:
    """The inverse of `tissue_to_ring`.

    Parameters
    ----------
    radius : ndarray
        Ring radius r; values outside 0..1 are clipped.
    stretch : float
        k.

    Returns
    -------
    ndarray
        Radius s of the tissue at rest, 0..1.
    """
    inside = np.clip(radius, 0, 1)
    if abs(stretch) < 1e-4:
        return inside
    k = np.float32(stretch)
    return np.asarray(((1 + k) - np.sqrt((1 + k) ** 2 - 4 * k * inside)) / (2 * k))


def ring_field(placed: PlacedEye, image_size: tuple[int, int]) -> RingField:
    """Ring coordinates of the pixels around the iris: the inverse of the rubber sheet.

    The rubber sheet is (1 - r) pupil(t) + r limbus(t). Given r, the angle t is the direction from the centre
    (1 - r) P + r L; given t, r follows from a projection. The two steps alternate on a coarse grid; they converge in a
    few iterations, because the centres P and L are close to each other.

    Parameters
    ----------
    placed : PlacedEye
        The eye.
    image_size : tuple of int
        (H, W) of the picture.

    Returns
    -------
    RingField
        Ring coordinates up to a quarter of the iris radius beyond the limbus, cut at the sides of the picture.
    """
    height, width = image_size
    pupil, limbus = placed.pupil, placed.limbus
    reach = limbus.mean_radius * 1.26
    top, left = max(0, int(limbus.y - reach)), max(0, int(limbus.x - reach))
    bottom, right = min(height, int(limbus.y + reach) + 2), min(width, int(limbus.x + reach) + 2)
    down, across = -(-(bottom - top) // _STEP), -(-(right - left) // _STEP)
    y = (top + _STEP * np.arange(-1, down + 1, dtype=np.float32) + (_STEP - 1) / 2)[:, None]
    x = (left + _STEP * np.arange(-1, across + 1, dtype=np.float32) + (_STEP - 1) / 2)[None, :]
    table = np.arange(_TABLE) * (TAU / _TABLE)
    inner, outer = pupil.radius(table).astype(np.float32), limbus.radius(table).astype(np.float32)
    shift_x, shift_y = np.float32(limbus.x - pupil.x), np.float32(limbus.y - pupil.y)
    from_x, from_y = x - np.float32(pupil.x), y - np.float32(pupil.y)
    radius = np.full(np.broadcast_shapes(x.shape, y.shape), 0.5, np.float32)
    for _ in range(5):
        along_x, along_y = from_x - radius * shift_x, from_y - radius * shift_y
        length = np.sqrt(along_x * along_x + along_y * along_y) + np.float32(1e-6)
        cosine, sine = along_x / length, along_y / length
        cell = (np.arctan2(along_y, along_x) * np.float32(_TABLE / TAU) + 0.5).astype(np.int32) % _TABLE
        edge = inner[cell]
        thickness = outer[cell] - edge + cosine * shift_x + sine * shift_y
        radius = np.clip((from_x * cosine + from_y * sine - edge) / thickness, -1.5, 2.5)
    tissue = ring_to_tissue(radius, placed.stretch)
    shape = (bottom - top, right - left)
    radius, tissue = _refine(radius, shape), _refine(tissue, shape)
    full_x = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(pupil.x) - radius * shift_x
    full_y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(pupil.y) - radius * shift_y
    return RingField(slice(top, bottom), slice(left, right), radius, tissue, np.arctan2(full_y, full_x))


def sample_texture(identity: Identity, capture: Capture, placed: PlacedEye, field: RingField) -> Float:
    """Brightness of the tissue at each pixel.

    The texture is first reduced to about the resolution of the picture, which prevents aliasing. Pictures of one eye
    differ in two ways: light from one side shades the folds of the tissue, and the tissue shifts unevenly by a small
    smooth field whose mean is 0, so that it does not change the roll.

    Parameters
    ----------
    identity : Identity
        The eye.
    capture : Capture
        The parameters of the picture.
    placed : PlacedEye
        The geometry of the eye.
    field : RingField
        Ring coordinates of the pixels.

    Returns
    -------
    ndarray of float32, shape (h, w)
        Brightness, 0 = the mean of the iris.
    """
    inner, outer = placed.pupil.mean_radius, placed.limbus.mean_radius
    texture = identity.texture
    rows, columns = texture.shape
    while columns > 64 and columns / 2 > 0.55 * TAU * (inner + outer):
        columns //= 2
    while rows > 16 and rows / 2 > 1.1 * (outer - inner):
        rows //= 2
    if (rows, columns) != texture.shape:
        texture = np.asarray(cv2.resize(texture, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
    roll = capture.roll_rad + capture.torsion_rad
    padded = np.concatenate([texture[:, -2:], texture, texture[:, :2]], axis=1)
    if capture.relief > 0:
        padded = _shade_relief(padded, capture.relief, capture.relief_rad - roll)
    turns = (field.angle_rad - np.float32(roll)) * np.float32(1 / TAU)
    tissue = field.tissue
    if capture.tissue_warp > 0:
        rng = np.random.default_rng([capture.seed, 6])
        cell = max(0.22 * outer, 4.0)
        shape = tissue.shape[0], tissue.shape[1]
        aside, along = (smooth_noise(rng, shape, cell) for _ in range(2))
        ring = (field.radius > 0) & (field.radius < 1)
        turns += (aside - aside[ring].mean()) * np.float32(capture.tissue_warp / TAU)
        tissue = tissue + along * tissue * (1 - tissue) * np.float32(4 * capture.tissue_warp)
    turns -= np.floor(turns)
    from_x = turns * np.float32(columns) + np.float32(1.5)
    from_y = tissue * np.float32(rows) - np.float32(0.5)
    sampled = cv2.remap(padded, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32)


def _shade_relief(texture: Float, strength: float, light_rad: float) -> Float:
    """`texture` (R, T) shaded as a relief under light from `light_rad`: slopes that face the light are brighter."""
    rows, columns = texture.shape
    angle = np.arange(columns, dtype=np.float32) * np.float32(TAU / columns) - np.float32(light_rad)
    down = cv2.Sobel(texture, cv2.CV_32F, 0, 1, ksize=3, scale=strength * rows / 128 / 4)
    across = cv2.Sobel(texture, cv2.CV_32F, 1, 0, ksize=3, scale=strength * columns / 1024 / 4)
    return np.asarray(texture + np.cos(angle) * down - np.sin(angle) * across, np.float32)


def _refine(coarse: Float, shape: tuple[int, int]) -> Float:
    """Values of the coarse grid, interpolated to all pixels (h, w) of `shape`."""
    rows, columns = coarse.shape
    fine = cv2.resize(coarse, (columns * _STEP, rows * _STEP), interpolation=cv2.INTER_LINEAR)
    return np.asarray(fine[_STEP : _STEP + shape[0], _STEP : _STEP + shape[1]], np.float32)
