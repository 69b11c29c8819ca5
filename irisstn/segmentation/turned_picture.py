"""Pictures of a camera on its side: how they are recognised, and how a result is turned back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from irisstn.geometry import TAU, Bool, Boundary, Eyelid, Eyelids, Float32, Gray
from irisstn.results import Segmentation
from irisstn.segmentation.polar import PolarGrid

_RADII = (1.1, 1.2, 1.3)  # of the circles, in iris radii, on which the opening is compared
_COLUMNS = 48
_QUARTERS, _SECTOR = np.arange(_COLUMNS).reshape(4, -1), _COLUMNS // 16  # from multiples of 90 degrees on; 22.5 degrees
_BESIDE = np.concatenate([_QUARTERS[[0, 2], :_SECTOR].ravel(), _QUARTERS[[1, 3], -_SECTOR:].ravel()])
_ABOVE = np.concatenate([_QUARTERS[[1, 3], :_SECTOR].ravel(), _QUARTERS[[0, 2], -_SECTOR:].ravel()])  # and below
# A `vertical_opening` is above `_MAY_BE_SIDEWAYS` in 14 of 330 upright pictures of six sets, in 579 of 586 of a camera
# on its side. Turned upright, 568 of these are lower by `_LOWER_UPRIGHT`, and of 1,120 upright ones none either way.
_MAY_BE_SIDEWAYS, _LOWER_UPRIGHT = -0.4, 0.4
_CURVE = 5.0  # weight of an eyelid's curvature beside its distance from the iris, in iris radii


def vertical_opening(opening: Float32, limbus: Boundary) -> float:
    """How much further the opening between the eyelids reaches up and down than to the left and right.

    Parameters
    ----------
    opening : ndarray of float32, shape (H, W)
        Probability that a pixel lies between the eyelids, 0..1.
    limbus : Boundary
        The limbus in pixels of `opening`.

    Returns
    -------
    float
        Mean probability above and below the limbus, less that beside it, -1..1.
    """
    radii = np.array(_RADII) * limbus.mean_radius
    around = PolarGrid(limbus.x, limbus.y, radii, _COLUMNS).unroll(opening).mean(axis=0)
    return float(around[_ABOVE].mean() - around[_BESIDE].mean())


def may_be_sideways(opening: float) -> bool:
    """Whether a picture with this `vertical_opening` may be of a camera on its side."""
    return opening > _MAY_BE_SIDEWAYS


def is_opened_sideways(opening: float, turned: float) -> bool:
    """Whether a picture is opened less upright than turned by a quarter; of a camera on its side it is by both turns.

    Parameters
    ----------
    opening, turned : float
        The `vertical_opening` of the picture, and that of the picture turned by a quarter either way.
    """
    return turned < opening - _LOWER_UPRIGHT


def uprightness(eyelids: Eyelids, radius: float) -> float:
    """How much more the upper one of two eyelids is like an upper one, which is nearer to the iris and more curved.

    Of sideways pictures it names the right side in 96 of 100 of IIT Delhi and in 78 of CASIA-Iris-Interval: enough to
    choose between both sides, and too little to turn a picture that is not sideways.

    Parameters
    ----------
    eyelids : tuple of Eyelid or None
        The upper and the lower eyelid.
    radius : float
        Iris radius in pixels.

    Returns
    -------
    float
        Positive for an upright eye.
    """
    upper, lower = eyelids
    if upper is None or lower is None:
        return float(upper is not None) - float(lower is not None)
    place = (lower.coefficients[0] + upper.coefficients[0]) / radius
    curve = (abs(upper.coefficients[2]) - abs(lower.coefficients[2])) * radius
    return place + _CURVE * curve


def turn_picture(image: Gray, quarters: int) -> Gray:
    """`image` (H, W), turned by `quarters` times 90 degrees against the clock."""
    return np.ascontiguousarray(np.rot90(image, quarters))


def turn_back(segmentation: Segmentation, quarters: int) -> Segmentation:
    """The segmentation in the picture that `turn_picture` got, from that in the picture that it gave.

    Parameters
    ----------
    segmentation : Segmentation
        In pixels of the turned picture.
    quarters : int
        How often the picture was turned by 90 degrees.

    Returns
    -------
    Segmentation
        In pixels of the picture. `upper_lid` is the eyelid above the iris in the turned picture.
    """
    for _ in range(quarters % 4):
        segmentation = _turned_clockwise(segmentation)
    return segmentation


def _turned_clockwise(segmentation: Segmentation) -> Segmentation:
    height, _ = segmentation.image_size
    axis = segmentation.opening_axis_rad

    def place(x: float, y: float) -> tuple[float, float]:
        return height - 1 - y, x

    def mask(mask: Bool) -> Bool:
        return np.ascontiguousarray(np.rot90(mask, -1))

    def curve(boundary: Boundary) -> Boundary:
        cosines, sines = np.array(boundary.cosines), np.array(boundary.sines)
        angle = TAU / 4 * np.arange(len(cosines))
        cosine, sine = np.round(np.cos(angle)), np.round(np.sin(angle))  # whole numbers at quarter turns
        turned = cosines * cosine - sines * sine, cosines * sine + sines * cosine
        x, y = place(boundary.x, boundary.y)
        return Boundary(x, y, tuple(turned[0].tolist()), tuple(turned[1].tolist()))

    def eyelid(one: Eyelid | None) -> Eyelid | None:
        if one is None:
            return None
        x, y = place(one.x, one.y)
        return replace(one, x=x, y=y, angle_rad=one.angle_rad + TAU / 4)

    return replace(
        segmentation,
        pupil=curve(segmentation.pupil),
        limbus=curve(segmentation.limbus),
        upper_lid=eyelid(segmentation.upper_lid),
        lower_lid=eyelid(segmentation.lower_lid),
        iris_mask=mask(segmentation.iris_mask),
        usable=mask(segmentation.usable),
        opening_axis_rad=None if axis is None else axis + TAU / 4,
    )
