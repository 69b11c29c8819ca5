"""The geometry of an eye in its picture: the two boundaries and the eyelids.

The conventions are those of `irisstn.geometry`. The angle of the texture in the picture is its angle at rest plus the
roll. The non-linear stretch of the tissue, k in `irisstn.synthetic.ring_field`, grows with the ratio of the pupil, by a
factor that depends on the eye.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import TAU, Boundary, Eyelid
from irisstn.synthetic.capture import Capture
from irisstn.synthetic.identity import Anatomy, Identity

RATIO_AT_REST = 0.4


@dataclass(frozen=True, slots=True)
class PlacedEye:
    """The geometry of an eye in its picture, in pixels.

    Attributes
    ----------
    pupil, limbus : Boundary
        Boundaries of the iris.
    upper_lid, lower_lid : Eyelid
        Eyelids.
    stretch : float
        k in r = s + k s (1 - s).
    """

    pupil: Boundary
    limbus: Boundary
    upper_lid: Eyelid
    lower_lid: Eyelid
    stretch: float


def place_eye(identity: Identity, capture: Capture) -> PlacedEye:
    """Compute the boundaries and eyelids of an eye in a picture.

    Parameters
    ----------
    identity : Identity
        The eye.
    capture : Capture
        The parameters of the picture.

    Returns
    -------
    PlacedEye
        In pixels of the picture.
    """
    anatomy = identity.anatomy
    size = capture.iris_radius_px
    turn = _rotation(capture.roll_rad + capture.torsion_rad)
    view = turn @ _foreshortening(capture.gaze_x_rad, capture.gaze_y_rad)
    centre = np.array([capture.x, capture.y])
    pupil_at = centre + view @ (np.array([anatomy.pupil_x, anatomy.pupil_y]) * size)
    limbus = _project(centre, size, anatomy.limbus, view)
    pupil = _project(pupil_at, size * capture.pupil_ratio, anatomy.pupil, view)
    upper, lower = _place_eyelids(anatomy, capture)
    stretch = anatomy.tissue_strength * (capture.pupil_ratio - RATIO_AT_REST) + capture.stretch_jitter
    return PlacedEye(pupil, limbus, upper, lower, float(np.clip(stretch, -0.4, 0.4)))


def eye_corners(placed: PlacedEye) -> tuple[float, float]:
    """The corners of the eye, where the parabolas of the eyelids meet.

    Parameters
    ----------
    placed : PlacedEye
        The eye.

    Returns
    -------
    left, right : float
        Positions along the eye in pixels from the origin of the eyelids' frame.
    """
    upper, lower = placed.upper_lid.coefficients, placed.lower_lid.coefficients
    opening = max(lower[0] - upper[0], 0.2 * placed.limbus.mean_radius)
    curvature = upper[2] - lower[2]
    middle = -0.5 * (upper[1] - lower[1]) / curvature
    half = float(np.sqrt(middle * middle + opening / curvature))
    return middle - half, middle + half


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
    """The curve radius (1 + wobble) around `centre`, projected by the matrix `view` (2, 2)."""
    angle = TAU * np.arange(128) / 128
    curve = np.ones_like(angle)
    for order, (cosine, sine) in enumerate(zip(*wobble, strict=True), start=2):
        curve += cosine * np.cos(order * angle) + sine * np.sin(order * angle)
    x, y = view @ (radius * curve * np.stack([np.cos(angle), np.sin(angle)]))
    seen_radius = np.interp(angle, np.arctan2(y, x), np.hypot(x, y), period=TAU)
    return Boundary.from_radii(float(centre[0]), float(centre[1]), seen_radius)


def _place_eyelids(anatomy: Anatomy, capture: Capture) -> tuple[Eyelid, Eyelid]:
    size = capture.iris_radius_px
    # A rotation of the eyeball, whose radius is about twice that of the iris, moves the iris relative to the eyelids.
    aside = 2.0 * np.sin(capture.gaze_x_rad)
    # The upper eyelid follows a vertical gaze in part.
    upper = -max(capture.upper_lid + anatomy.eyelid_upper_offset, 0.25) + 0.4 * np.sin(capture.gaze_y_rad)
    lower = max(capture.lower_lid + anatomy.eyelid_lower_offset, 0.5)
    upper_slope = anatomy.eyelid_upper_slope + capture.upper_slope + 2 * anatomy.eyelid_upper_curve * aside
    lower_slope = anatomy.eyelid_lower_slope + capture.lower_slope - 2 * anatomy.eyelid_lower_curve * aside
    return (
        Eyelid(
            capture.x,
            capture.y,
            capture.roll_rad,
            (float(upper * size), float(upper_slope), anatomy.eyelid_upper_curve / size),
        ),
        Eyelid(
            capture.x,
            capture.y,
            capture.roll_rad,
            (float(lower * size), float(lower_slope), -anatomy.eyelid_lower_curve / size),
        ),
    )
