"""Eyelashes, eyebrow and specular reflections, drawn with antialiasing on 8-bit layers (H, W) of coverage."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Eyelid, Float
from irisstn.synthetic.capture import GLINT_PATTERNS, Capture
from irisstn.synthetic.eye import PlacedEye, eye_corners
from irisstn.synthetic.identity import Identity

Layer = NDArray[np.uint8]

_SHIFT = 4  # fixed-point bits of the corners that OpenCV draws
_STEPS = np.linspace(0, 1, 8)[:, None, None]
_BLEND = np.concatenate([(1 - _STEPS) ** 2, 2 * _STEPS * (1 - _STEPS), _STEPS**2], axis=1)[:, :, 0]


def draw_lashes(layer: Layer, identity: Identity, capture: Capture, placed: PlacedEye) -> None:
    """Draw the eyelashes of both eyelids: tapering curves, the upper ones in loose clumps.

    Parameters
    ----------
    layer : ndarray of uint8, shape (H, W)
        Coverage by hair, 0..255; modified in place.
    identity : Identity
        The eye.
    capture : Capture
        The parameters of the picture.
    placed : PlacedEye
        The geometry of the eye.
    """
    anatomy = identity.anatomy
    own = np.random.default_rng([identity.seed, 1])
    moved = np.random.default_rng([capture.seed, 1])
    size = capture.iris_radius_px
    left, right = eye_corners(placed)
    middle, half = 0.5 * (left + right), 0.5 * (right - left)

    count = int(95 * anatomy.lash_density)
    roots = own.uniform(-1, 1, count)
    clumps = np.sort(own.uniform(-1, 1, max(6, count // 4)))
    nearest = clumps[np.abs(roots[:, None] - clumps).argmin(axis=1)]
    lean = 1.15 * roots + own.normal(0, 0.25, count) + 2.5 * (nearest - roots) + moved.normal(0, 0.04, count)
    droop = 0.7 * np.tanh((anatomy.lash_droop + capture.lash_droop) / 0.7) + own.normal(0, 0.22, count)
    length = anatomy.lash_length * own.uniform(0.5, 1.1, count) * (0.8 + 0.35 * np.abs(roots)) * size
    start: Float = placed.upper_lid.points(middle + roots * half) + own.normal(0, 0.012, (count, 2)) * size
    rise = droop - own.uniform(0.5, 1.3, count)  # eyelashes curl up towards their tips
    _draw_curves(
        layer,
        start,
        _along(placed.upper_lid, lean * 0.55 * length, (droop + 0.25) * 0.55 * length),
        _along(placed.upper_lid, lean * 1.15 * length, (droop + 0.5 * rise + 0.1) * length),
        width=anatomy.lash_width * own.uniform(0.6, 1.2, count) * 0.013 * size,
        cover=own.uniform(0.55, 1.0, count),
    )

    count = int(45 * anatomy.lower_lash_density)
    roots = own.uniform(-1, 1, count)
    length = own.uniform(0.12, 0.3, count) * size
    lean = 0.8 * roots + own.normal(0, 0.45, count)
    start = placed.lower_lid.points(middle + roots * half)
    start = start + _along(placed.lower_lid, np.zeros(count), own.uniform(0.07, 0.14, count) * size)
    _draw_curves(
        layer,
        start,
        _along(placed.lower_lid, lean * 0.4 * length, 0.6 * length),
        _along(placed.lower_lid, lean * 1.2 * length, own.uniform(0.2, 1.0, count) * length),
        width=anatomy.lash_width * own.uniform(0.5, 1.0, count) * 0.009 * size,
        cover=own.uniform(0.35, 0.85, count),
    )


def draw_brow(layer: Layer, identity: Identity, capture: Capture) -> None:
    """Draw the eyebrow, if it lies within the picture.

    Parameters
    ----------
    layer : ndarray of uint8, shape (H, W)
        Coverage by hair, 0..255; modified in place.
    identity : Identity
        The eye.
    capture : Capture
        The parameters of the picture.
    """
    anatomy = identity.anatomy
    size = capture.iris_radius_px
    frame = Eyelid(capture.x, capture.y, capture.roll_rad, (0.0, 0.0, 0.0))
    height = anatomy.brow_height + 0.4 * min(capture.upper_lid, 1.0) - 0.3
    if capture.y - (height - 0.6) * size < 0:
        return
    own = np.random.default_rng([identity.seed, 2])
    count = int(650 * anatomy.brow_density)
    outward = -2.3 + 5.4 * own.beta(1.4, 1.6, count)
    across = outward * -anatomy.nasal_side
    thick = 0.28 * np.clip(np.minimum(1.15 - 0.3 * outward, 1.4 + 0.4 * outward), 0.2, 1)
    up = -height + 0.07 * across**2 + own.normal(0, 1, count) * thick
    start = frame.points(0) + _along(frame, across * size, up * size)
    length = own.uniform(0.2, 0.45, count) * size
    lean = -anatomy.nasal_side * own.uniform(0.5, 1.1, count)
    tip = own.normal(-0.25, 0.3, count)
    _draw_curves(
        layer,
        start,
        _along(frame, lean * 0.5 * length, (tip - 0.15) * 0.6 * length),
        _along(frame, lean * length, tip * length),
        width=own.uniform(0.4, 1.1, count) * 0.011 * size,
        cover=own.uniform(0.35, 0.9, count),
    )


def draw_glints(layer: Layer, capture: Capture, placed: PlacedEye) -> None:
    """Draw the specular reflections of the lamps on the cornea, and those on the tear film along the eyelids.

    Parameters
    ----------
    layer : ndarray of uint8, shape (H, W)
        Coverage by reflections, 0..255; modified in place.
    capture : Capture
        The parameters of the picture.
    placed : PlacedEye
        The geometry of the eye.
    """
    rng = np.random.default_rng([capture.seed, 3])
    size = capture.iris_radius_px
    middle = np.array([placed.pupil.x + capture.glint_x * size, placed.pupil.y + capture.glint_y * size])
    lamps = np.array(GLINT_PATTERNS[capture.glints]) * capture.glint_spread * size + middle
    if capture.glint_ghosts > 0:
        for at in (lamps - middle) * rng.uniform(1.4, 1.9) + middle + rng.normal(0, 0.07, 2) * size:
            _draw_dot(layer, at, 0.02 * size, int(255 * capture.glint_ghosts * rng.uniform(0.2, 1)))
    if capture.glints == "window":
        _draw_window(layer, rng, middle, size)
    else:
        for at in lamps:
            _draw_dot(layer, at, capture.glint_size * size * rng.uniform(0.85, 1.1), 255)
    for eyelid, count, side in (
        (placed.lower_lid, capture.tear_glints, -1),
        (placed.upper_lid, capture.tear_glints // 2, 1),
    ):
        for along in rng.normal(0, 0.16, count) * size + capture.glint_x * size:
            at = eyelid.points(along) + _along(eyelid, np.zeros(1), np.array([side * rng.uniform(0.0, 0.05) * size]))[0]
            _draw_dot(layer, at, rng.uniform(0.006, 0.02) * size, int(rng.uniform(100, 255)))


def _along(frame: Eyelid, across: Float, down: Float) -> Float:
    """Offsets (N, 2) in the picture of offsets (`across`, `down`) (N,) in the frame of an eye."""
    cosine, sine = np.cos(frame.angle_rad), np.sin(frame.angle_rad)
    return np.stack([across * cosine - down * sine, across * sine + down * cosine], axis=-1)


def _draw_curves(layer: Layer, start: Float, control: Float, end: Float, *, width: Float, cover: Float) -> None:
    """Tapering Bezier curves from `start` (N, 2), of `width` (N,) there; `control` and `end` are relative to it."""
    height_px, width_px = layer.shape
    corners = np.stack([start, start + control, start + end], axis=1)  # (N, 3, 2)
    curves = np.einsum("sk,nkd->nsd", _BLEND, corners)
    step = np.gradient(curves, axis=1)
    side = np.stack([-step[..., 1], step[..., 0]], axis=-1) / (np.linalg.norm(step, axis=-1, keepdims=True) + 1e-9)
    taper = (0.5 * width[:, None] * (1 - _STEPS[:, 0, 0] ** 1.5))[..., None]
    outlines = np.concatenate([curves + side * taper, (curves - side * taper)[:, ::-1]], axis=1)
    inside = (curves > -1).all(axis=2).any(axis=1)
    inside &= ((curves[..., 0] < width_px + 1) & (curves[..., 1] < height_px + 1)).any(axis=1)
    # A line thinner than a pixel is drawn one pixel wide, so its coverage is reduced.
    cover = cover * np.clip(0.35 + 0.55 * width, 0.25, 1.0)
    fixed = np.rint(outlines * (1 << _SHIFT)).astype(np.int32)
    for n in np.flatnonzero(inside):
        cv2.fillPoly(layer, [fixed[n]], int(255 * cover[n]), cv2.LINE_AA, _SHIFT)


def _draw_dot(layer: Layer, at: Float, radius: float, value: int) -> None:
    one = 1 << _SHIFT
    centre = (int(at[0] * one), int(at[1] * one))
    strength = int(value * min(1.0, (radius / 0.7) ** 2))
    cv2.circle(layer, centre, max(int(radius * one), 1), strength, -1, cv2.LINE_AA, _SHIFT)


def _draw_window(layer: Layer, rng: np.random.Generator, middle: Float, size: float) -> None:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * rng.uniform(0.08, 0.25, 2) + rng.normal(0, 0.02, (4, 2))
    fixed = np.rint((corners * size + middle) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(layer, [fixed], int(rng.uniform(90, 220)), cv2.LINE_AA, _SHIFT)
