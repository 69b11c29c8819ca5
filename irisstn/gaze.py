"""The angle between the optical axis of an eye and that of the camera, from how far pupil and iris are from round.

A flat disc that is turned away by the angle g is seen as an ellipse with b / a = cos(g), whose minor axis points along
the turn, to either side. With the axis at the angle d, m = -log(b / a) exp(2 i d) is a vector in which two such effects
nearly add. Pupil and limbus each give a measurement of the m of the gaze,

    m_pupil = 0.89 m + noise,    m_limbus = f m + noise,

in which the noise holds what no picture separates from a gaze: pupils and irises are not quite round. The factor f of
the limbus is small, since `irisstn.segmentation` keeps it near a circle where eyelids hide it, and grows from 0.47 to
0.67 with m, since off axis it is expected to be flattened like the pupil. Factors and noise are fitted on rendered
eyes; the noise of the pupil is that of frontal photographs, which is larger. benchmarks/gaze.py checks it.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np

from irisstn.geometry import Ellipse

_PUPIL_FACTOR = 0.89
# Lengths of m between which the factor of the limbus grows, and its values there.
_LIMBUS_AT, _LIMBUS_FACTORS = (0.05, 0.25), (0.47, 0.67)
_NOISE = (0.028, 0.018)  # standard deviations of each component of m, of pupil and limbus
_EDGE_NOISE = (1.5, 0.5)  # added in quadrature: times the boundary's standard deviation over its radius
_EDGE_PX = 0.5  # added over the radius: a reflection or a faint edge moves a part of a boundary by as much
_TOLD = 3.5  # standard deviations of m from which a gaze is told
_BOUND = 2.0  # standard deviations that are added to m for the bound
_MOST_DISAGREEMENT = 3.5  # standard deviations between the two measurements


@dataclass(frozen=True, slots=True)
class Gaze:
    """How far an eye looks past the camera, or below which angle it does.

    Attributes
    ----------
    below_rad : float
        The gaze is below this angle in about 39 of 40 pictures, 0..pi / 2.
    angle_rad, sd_rad : float or None
        Angle between the optical axes of eye and camera, 0..pi / 2, and its standard deviation; None where it cannot be
        told from 0.
    axis_rad : float or None
        Direction of the gaze in the picture, clockwise from +x, -pi / 2..pi / 2; it may as well be the opposite one.
    """

    below_rad: float
    angle_rad: float | None = None
    sd_rad: float | None = None
    axis_rad: float | None = None


def measure_gaze(pupil: Ellipse, limbus: Ellipse, *, pupil_sd_px: float, limbus_sd_px: float) -> Gaze | None:
    """The gaze of an eye whose boundaries `irisstn.segment` has found.

    Parameters
    ----------
    pupil, limbus : Ellipse
        The ellipses of its boundaries.
    pupil_sd_px, limbus_sd_px : float
        Standard deviations of the boundaries in pixels, see `irisstn.results.Confidence`.

    Returns
    -------
    Gaze or None
        The gaze; None where pupil and limbus contradict each other.

    Examples
    --------
    >>> turned = [Ellipse(160, 120, radius, radius * ratio) for radius, ratio in ((40, 0.88), (100, 0.93))]
    >>> gaze = measure_gaze(*turned, pupil_sd_px=0.2, limbus_sd_px=1.0)
    >>> round(math.degrees(gaze.angle_rad)), round(math.degrees(gaze.sd_rad))
    (29, 3)
    """
    measured = (_flattening(pupil), _flattening(limbus))
    sd_px = (pupil_sd_px, limbus_sd_px)
    noise = [
        math.hypot(
            _NOISE[part], math.hypot(_EDGE_NOISE[part] * sd_px[part], _EDGE_PX) / math.sqrt(ellipse.a * ellipse.b)
        )
        for part, ellipse in enumerate((pupil, limbus))
    ]
    by_pupil = abs(measured[0]) / _PUPIL_FACTOR
    factors = (_PUPIL_FACTOR, float(np.interp(by_pupil, _LIMBUS_AT, _LIMBUS_FACTORS)))
    each = [(m / factor, sd / factor) for m, factor, sd in zip(measured, factors, noise, strict=True)]
    if abs(each[0][0] - each[1][0]) > _MOST_DISAGREEMENT * math.hypot(each[0][1], each[1][1]):
        return None
    sd = sum(deviation**-2 for _, deviation in each) ** -0.5
    mean = sum(m * (sd / deviation) ** 2 for m, deviation in each)
    below = _angle(abs(mean) + _BOUND * sd)
    if abs(mean) < _TOLD * sd:
        return Gaze(below)
    # Noise in two components lengthens a vector on average by this much.
    angle = _angle(math.sqrt(abs(mean) ** 2 - 2 * sd**2))
    return Gaze(below, angle, sd / math.tan(angle), cmath.phase(mean) / 2)


def _flattening(ellipse: Ellipse) -> complex:
    """-log(b / a) exp(2 i d), with the direction d of the shorter axis b."""
    return cmath.rect(math.log(ellipse.a / ellipse.b), 2 * ellipse.angle_rad + math.pi)


def _angle(flattening: float) -> float:
    return math.acos(math.exp(-flattening))
