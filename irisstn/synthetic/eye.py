"""Where an eye lies in its picture: the two boundaries, the lids, and the ring coordinates of every pixel.

Convention: see `irisstn.geometry`. The texture's angle in the picture is its angle at rest plus the roll.

Tissue. When the pupil changes, the tissue does not stretch evenly along the radius (Wyatt 2000, "A 'minimum-wear-and-
tear' meshwork for the iris"; Clark et al. 2013, "A theoretical model for describing iris dynamics"). Here the tissue
at the share s of the ring at rest lies at r = s + k s (1 - s), which is monotone for |k| < 1 and fixes both edges: a
stand-in of one parameter for those models. k grows with the pupil's ratio, by a strength that belongs to the eye.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import TAU, Boundary, Eyelid, Float
from irisstn.synthetic.identity import Anatomy, Identity
from irisstn.synthetic.shot import Shot
from irisstn.synthetic.texture import smooth_noise

RATIO_AT_REST = 0.4

_STEP = 4  # pixels between the places where ring coordinates are solved; between them they are as good as linear
_TABLE = 1024


@dataclass(frozen=True, slots=True)
class PlacedEye:
    """An eye in its picture; lengths in pixels. `stretch` is k in r = s + k s (1 - s)."""

    pupil: Boundary
    limbus: Boundary
    upper_lid: Eyelid
    lower_lid: Eyelid
    stretch: float


@dataclass(frozen=True, slots=True, eq=False)
class RingField:
    """Ring coordinates of the pixels of a box around the iris, each (h, w) float32.

    `rows` and `columns` slice the picture. `radius` is 0 on the pupil's edge and 1 on the limbus, and goes on outside;
    `tissue` is the share at rest, `angle_rad` the picture's angle.
    """

    rows: slice
    columns: slice
    radius: Float
    tissue: Float
    angle_rad: Float


def place_eye(identity: Identity, shot: Shot) -> PlacedEye:
    """The boundaries and lids of `identity` in `shot`."""
    anatomy = identity.anatomy
    size = shot.iris_radius_px
    turn = _rotation(shot.roll_rad + shot.torsion_rad)
    view = turn @ _foreshortening(shot.gaze_x_rad, shot.gaze_y_rad)
    centre = np.array([shot.x, shot.y])
    pupil_at = centre + view @ (np.array([anatomy.pupil_x, anatomy.pupil_y]) * size)
    limbus = _project(centre, size, anatomy.limbus, view)
    pupil = _project(pupil_at, size * shot.pupil_ratio, anatomy.pupil, view)
    upper, lower = _place_lids(anatomy, shot)
    stretch = anatomy.tissue_strength * (shot.pupil_ratio - RATIO_AT_REST) + shot.stretch_jitter
    return PlacedEye(pupil, limbus, upper, lower, float(np.clip(stretch, -0.4, 0.4)))


def eye_corners(placed: PlacedEye) -> tuple[float, float]:
    """Where the lids meet left and right, as places along the eye in pixels from the lids' origin."""
    upper, lower = placed.upper_lid.coefficients, placed.lower_lid.coefficients
    opening = max(lower[0] - upper[0], 0.2 * placed.limbus.mean_radius)
    bend = upper[2] - lower[2]
    middle = -0.5 * (upper[1] - lower[1]) / bend
    half = float(np.sqrt(middle * middle + opening / bend))
    return middle - half, middle + half


def tissue_to_ring(tissue: Float, stretch: float) -> Float:
    """Place r in the ring, 0..1, of the tissue at the share s at rest: r = s + k s (1 - s)."""
    return np.asarray(tissue + np.float32(stretch) * tissue * (1 - tissue))


def ring_to_tissue(radius: Float, stretch: float) -> Float:
    """The inverse of `tissue_to_ring` for radii 0..1; others are clipped."""
    inside = np.clip(radius, 0, 1)
    if abs(stretch) < 1e-4:
        return inside
    k = np.float32(stretch)
    return np.asarray(((1 + k) - np.sqrt((1 + k) ** 2 - 4 * k * inside)) / (2 * k))


def ring_field(placed: PlacedEye, image_size: tuple[int, int], margin: float = 0.2) -> RingField:
    """Ring coordinates of the pixels within `margin` radii around the limbus: the rubber sheet, inverted.

    The sheet is (1 - r) pupil(t) + r limbus(t). Given r, the angle t is the direction from the centre (1 - r) P + r L;
    given t, r follows from a projection. The two are solved in turn on a coarse grid; they settle in a few rounds, as
    the centres lie close together.
    """
    height, width = image_size
    pupil, limbus = placed.pupil, placed.limbus
    reach = limbus.mean_radius * (1.06 + margin)
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


def sample_texture(identity: Identity, shot: Shot, placed: PlacedEye, field: RingField) -> Float:
    """The tissue's brightness (h, w) at each pixel of `field`.

    The texture is first reduced to about the picture's resolution, so that fine fibres blur instead of flickering.
    Two things keep the pictures of one eye from being copies: light that falls from one side shades the tissue's folds,
    and the tissue shifts unevenly by a small smooth field without a mean, so that the roll stays what it is.
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
    roll = shot.roll_rad + shot.torsion_rad
    padded = np.concatenate([texture[:, -2:], texture, texture[:, :2]], axis=1)
    if shot.relief > 0:
        padded = _shade_relief(padded, shot.relief, shot.relief_rad - roll)
    turns = (field.angle_rad - np.float32(roll)) * np.float32(1 / TAU)
    tissue = field.tissue
    if shot.tissue_warp > 0:
        rng = np.random.default_rng([shot.seed, 6])
        cell = max(0.22 * outer, 4.0)
        shape = tissue.shape[0], tissue.shape[1]
        aside, along = (smooth_noise(rng, shape, cell) for _ in range(2))
        ring = (field.radius > 0) & (field.radius < 1)
        turns += (aside - aside[ring].mean()) * np.float32(shot.tissue_warp / TAU)
        tissue = tissue + along * tissue * (1 - tissue) * np.float32(4 * shot.tissue_warp)
    turns -= np.floor(turns)
    from_x = turns * np.float32(columns) + np.float32(1.5)
    from_y = tissue * np.float32(rows) - np.float32(0.5)
    sampled = cv2.remap(padded, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32)


def _shade_relief(texture: Float, strength: float, light_rad: float) -> Float:
    """`texture` (R, T) as a relief lit from the angle `light_rad`: its slopes toward the light shine."""
    rows, columns = texture.shape
    angle = np.arange(columns, dtype=np.float32) * np.float32(TAU / columns) - np.float32(light_rad)
    down = cv2.Sobel(texture, cv2.CV_32F, 0, 1, ksize=3, scale=strength * rows / 128 / 4)
    across = cv2.Sobel(texture, cv2.CV_32F, 1, 0, ksize=3, scale=strength * columns / 1024 / 4)
    return np.asarray(texture + np.cos(angle) * down - np.sin(angle) * across, np.float32)


def _refine(coarse: Float, shape: tuple[int, int]) -> Float:
    rows, columns = coarse.shape
    fine = cv2.resize(coarse, (columns * _STEP, rows * _STEP), interpolation=cv2.INTER_LINEAR)
    return np.asarray(fine[_STEP : _STEP + shape[0], _STEP : _STEP + shape[1]], np.float32)


def _rotation(angle_rad: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[cosine, -sine], [sine, cosine]])


def _foreshortening(gaze_x_rad: float, gaze_y_rad: float) -> NDArray[np.float64]:
    """A disc turned away from the camera: squeezed by the cosine of the turn along its direction (2, 2)."""
    away = float(np.hypot(gaze_x_rad, gaze_y_rad))
    toward = _rotation(float(np.arctan2(gaze_y_rad, gaze_x_rad)))
    return np.asarray(toward @ np.diag([np.cos(away), 1.0]) @ toward.T)


def _project(
    centre: NDArray[np.float64],
    radius: float,
    wobble: tuple[tuple[float, ...], tuple[float, ...]],
    view: NDArray[np.float64],
) -> Boundary:
    """The curve radius (1 + wobble) around `centre` as seen through the matrix `view` (2, 2)."""
    angle = TAU * np.arange(128) / 128
    curve = np.ones_like(angle)
    for order, (cosine, sine) in enumerate(zip(*wobble, strict=True), start=2):
        curve += cosine * np.cos(order * angle) + sine * np.sin(order * angle)
    x, y = view @ (radius * curve * np.stack([np.cos(angle), np.sin(angle)]))
    seen_radius = np.interp(angle, np.arctan2(y, x), np.hypot(x, y), period=TAU)
    return Boundary.from_radii(float(centre[0]), float(centre[1]), seen_radius)


def _place_lids(anatomy: Anatomy, shot: Shot) -> tuple[Eyelid, Eyelid]:
    size = shot.iris_radius_px
    # A turn of the eyeball (its radius is about twice the iris') moves the iris along the lids' parabolas.
    aside = 2.0 * np.sin(shot.gaze_x_rad)
    # The upper lid follows the eye when it looks up or down, though not all the way.
    upper = -max(shot.upper_lid + anatomy.lid_upper_offset, 0.25) + 0.4 * np.sin(shot.gaze_y_rad)
    lower = max(shot.lower_lid + anatomy.lid_lower_offset, 0.5)
    upper_slope = anatomy.lid_upper_slope + shot.upper_slope + 2 * anatomy.lid_upper_curve * aside
    lower_slope = anatomy.lid_lower_slope + shot.lower_slope - 2 * anatomy.lid_lower_curve * aside
    return (
        Eyelid(
            shot.x, shot.y, shot.roll_rad, (float(upper * size), float(upper_slope), anatomy.lid_upper_curve / size)
        ),
        Eyelid(
            shot.x, shot.y, shot.roll_rad, (float(lower * size), float(lower_slope), -anatomy.lid_lower_curve / size)
        ),
    )
