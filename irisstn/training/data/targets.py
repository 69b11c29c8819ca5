"""Targets of the training: the ring parameters that correct known segmentation errors.

The convention is that of `irisstn.stn.ring`: the true pupil boundary lies at the radius p(a) of the strip and the true
limbus at 1 + l(a), both Fourier series of the strip's angle a; texture at the angle t of the upright eye lies at
t + roll_rad.
"""

from __future__ import annotations

import numpy as np

from irisstn.geometry import Boundary, Float, fourier_coefficients, strip_angles

ORDER = 2  # Fourier order of the boundary corrections
_ANGLES = 32  # directions in which boundaries are compared

Edges = tuple[Boundary, Boundary]  # pupil, limbus


def correction_parameters(truth: Edges, truth_roll_rad: float, used: Edges, used_roll_rad: float) -> Float:
    """Compute the ring parameters that find the true boundaries in a strip sampled with wrong ones.

    Parameters
    ----------
    truth : tuple of Boundary
        The true pupil boundary and limbus.
    truth_roll_rad : float
        Roll of the eye in the image, radians.
    used : tuple of Boundary
        Pupil boundary and limbus with which the strip was sampled.
    used_roll_rad : float
        Angle of the image at which the strip starts, radians.

    Returns
    -------
    Float, shape (12,)
        Parameters in the order of `irisstn.geometry.ring_transform.NAMES`: radians, ring widths, and for `pupil_share`
        a ratio.
    """
    angles = strip_angles(_ANGLES)
    image_angles = angles + used_roll_rad
    inner, outer = used[0].points(image_angles), used[1].points(image_angles)
    pupil = fourier_coefficients(_crossing_radius(inner, outer, truth[0], 0.0), angles, ORDER)
    limbus = fourier_coefficients(_crossing_radius(inner, outer, truth[1], 1.0) - 1, angles, ORDER)
    roll = (truth_roll_rad - used_roll_rad + np.pi) % (2 * np.pi) - np.pi
    return np.concatenate([[roll], pupil, limbus, [truth[0].mean_radius / truth[1].mean_radius]])


def _crossing_radius(inner: Float, outer: Float, edge: Boundary, start: float) -> Float:
    """The radius at which the rays from `inner` (radius 0) to `outer` (radius 1), both (N, 2), cross `edge`."""
    radius = np.full(len(inner), start)
    for _ in range(3):  # the secant method on the signed distance, along rays that are nearly radial
        here = _signed_distance(inner + radius[:, None] * (outer - inner), edge)
        ahead = _signed_distance(inner + (radius[:, None] + 0.02) * (outer - inner), edge)
        radius = radius - 0.02 * here / np.maximum(ahead - here, 1e-6)
    return radius


def _signed_distance(points: Float, edge: Boundary) -> Float:
    """Radial distance of `points` (N, 2) from `edge`, positive outside."""
    x, y = points[:, 0] - edge.x, points[:, 1] - edge.y
    return np.asarray(np.hypot(x, y) - edge.radius(np.arctan2(y, x)))
