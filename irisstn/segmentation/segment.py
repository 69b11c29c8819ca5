"""One eye picture to its iris ring: the stages in their order."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from irisstn.errors import SegmentationError
from irisstn.geometry import TAU, Bool, Boundary, Eyelid
from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.eyelids import find_lids
from irisstn.segmentation.limbus import LimbusCircle, below, find_limbus, fit_limbus, refine_limbus
from irisstn.segmentation.locate import locate_eye
from irisstn.segmentation.noise import find_glints, find_lamps, find_noise
from irisstn.segmentation.polar import Gray
from irisstn.segmentation.pupil import find_pupil, fit_pupil, pupil_evidence
from irisstn.segmentation.result import Segmentation
from irisstn.segmentation.view import View

_SURE_PUPIL = 0.5  # score from which a pupil is not looked for anew
_SEARCH_RADIUS = 24.0  # a larger pupil is searched in a reduced picture, px
_CLEAR_CONTRAST = 30.0  # gray levels across the pupil's edge from which more would add no trust


def segment(image: Gray, config: SegmentationConfig = SegmentationConfig()) -> Segmentation:
    """The iris ring of the eye in `image` (H, W) uint8.

    Raises SegmentationError where no eye can be trusted, ValueError where `image` is no 8-bit gray picture.
    """
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"the picture must be (H, W) of uint8, got {image.shape} of {image.dtype}")
    if min(image.shape) < 32:
        raise SegmentationError(f"a picture of {image.shape[1]}x{image.shape[0]} pixels is too small for an iris")
    pupil, limbus = _find_ring(image, config)

    view = View.around(image, limbus.circle, 1.7, config.working_radius)
    inner = view.from_picture(pupil)
    glints = find_glints(view.image, inner)
    outer = replace(limbus, circle=view.from_picture(limbus.circle))
    outer = replace(outer, circle=fit_limbus(view.image, glints, inner, outer))
    lids = find_lids(view.image, glints, inner, outer.circle)
    curve = view.boundary(refine_limbus(view.image, glints, inner, outer, lids=lids))
    upper, lower = view.eyelid(lids[0]), view.eyelid(lids[1])
    iris, usable = _masks(image, pupil, curve, (upper, lower))
    visible = np.count_nonzero(usable) / (np.pi * (curve.mean_radius**2 - pupil.mean_radius**2))
    if visible < config.min_usable:
        raise SegmentationError(f"only {100 * visible:.0f} % of the iris can be seen: the eye is nearly closed")
    return Segmentation(pupil, curve, _touching(upper, curve, 1), _touching(lower, curve, -1), iris, usable)


def _find_ring(image: Gray, config: SegmentationConfig) -> tuple[Boundary, LimbusCircle]:
    """The pupil, fitted, and the rough limbus of the likeliest eye, both in the picture's pixels."""
    small = View.reduced(image, max(1.0, min(image.shape) / config.search_rows))
    pupil, score, limbus = _likeliest(image, small, config)
    view = View.around(image, pupil, 1.9, 0.5 * config.working_radius)
    glints = find_glints(view.image, view.from_picture(pupil))
    fitted = fit_pupil(view.image, glints, view.from_picture(pupil))
    _check_trust(score, pupil_evidence(view.image, glints, fitted), limbus.score, config)
    return view.boundary(fitted), replace(limbus, circle=small.boundary(limbus.circle))


def _likeliest(image: Gray, small: View, config: SegmentationConfig) -> tuple[Boundary, float, LimbusCircle]:
    """The likeliest pupil, in the picture's pixels, with its score, and limbus, in the reduced picture's."""
    lamps = find_lamps(small.image)
    calm = np.asarray(cv2.GaussianBlur(small.image, (0, 0), 1.0), np.uint8)
    rings: list[tuple[float, float, Boundary, LimbusCircle]] = []
    eyes = locate_eye(small.image, lamps, candidates=config.candidates)
    for eye in eyes[: config.readings]:
        if rings and eye.score < 0.5 * max(ring[0] for ring in rings):
            break  # none of those left can come near the best
        start = small.boundary(Boundary.circle(eye.x, eye.y, eye.pupil_radius))
        for _ in range(2):
            pupil, pupil_score = _search_pupil(image, start)
            limbus = find_limbus(calm, lamps, small.from_picture(pupil))
            rings.append((eye.score * (0.2 + pupil_score) * (0.4 + limbus.score), pupil_score, pupil, limbus))
            if pupil_score > _SURE_PUPIL:
                break
            start = small.boundary(limbus.circle)  # lamps inside the pupil may have passed for it
    if not rings:
        raise SegmentationError("nothing dark and round in the picture")
    best = max(rings, key=lambda ring: ring[0])
    for ring in rings:  # an iris in a round frame may pass for a pupil in its iris: then prefer the ring inside it
        nearly = ring[0] > 0.7 * best[0] and ring[1] > 0.7 * best[1]
        if nearly and _same_circle(small.boundary(ring[3].circle), best[2]):
            best = ring
    _, score, pupil, limbus = best
    if limbus.score < config.min_limbus:
        raise SegmentationError(f"no limbus found around the pupil (score {limbus.score:.2f})")
    return pupil, score, limbus


def _search_pupil(image: Gray, start: Boundary) -> tuple[Boundary, float]:
    """The pupil's circle near `start`, both in the picture's pixels, and its score."""
    view = View.around(image, start, 2.3, _SEARCH_RADIUS)
    circle = view.from_picture(start)
    found, score = find_pupil(view.image, find_glints(view.image, circle), circle)
    return view.boundary(found), score


def _same_circle(one: Boundary, other: Boundary) -> bool:
    slack = 0.2 * other.mean_radius
    apart = np.hypot(one.x - other.x, one.y - other.y)
    return bool(apart < slack and abs(one.mean_radius - other.mean_radius) < slack)


def _check_trust(
    score: float, evidence: tuple[float, float, float], limbus_score: float, config: SegmentationConfig
) -> None:
    """Raise SegmentationError where the rings found are not to be trusted as an eye's.

    A dark iris in visible light has a faint pupil but a clear limbus, a light one under infrared the other way round.
    """
    contrast, sharpness, agreement = evidence
    pupil = score * agreement * min(1.0, np.sqrt(max(contrast, 0.0) / _CLEAR_CONTRAST))
    trust = 0.5 * pupil + 0.5 * min(1.1, limbus_score)
    if trust < config.min_trust:
        raise SegmentationError(f"no pupil and iris that could be trusted: no eye, or closed (trust {trust:.2f})")
    if sharpness < config.min_sharpness:
        raise SegmentationError(f"the picture is too blurred (sharpness of the pupil's edge {sharpness:.2f})")


def _masks(image: Gray, pupil: Boundary, limbus: Boundary, lids: tuple[Eyelid, Eyelid]) -> tuple[Bool, Bool]:
    """The iris between the lids and its usable part, both (H, W); worked out on the iris's bounding box alone."""
    height, width = image.shape
    points = limbus.points(TAU * np.arange(64) / 64)
    left, top = (int(v) for v in np.clip(np.floor(points.min(axis=0)) - 2, 0, (width - 1, height - 1)))
    right, bottom = (int(v) for v in np.clip(np.ceil(points.max(axis=0)) + 3, (left + 1, top + 1), (width, height)))
    size = (bottom - top, right - left)
    inner, outer = (replace(curve, x=curve.x - left, y=curve.y - top) for curve in (pupil, limbus))
    upper, lower = (replace(lid, x=lid.x - left, y=lid.y - top) for lid in lids)
    open_eye = ~upper.above(size) & lower.above(size)
    ring = outer.mask(size) & ~inner.mask(size) & open_eye
    noise = find_noise(np.ascontiguousarray(image[top:bottom, left:right]), ring, open_eye, limbus.mean_radius)
    iris, usable = np.zeros((2, height, width), np.bool_)
    iris[top:bottom, left:right] = ring
    usable[top:bottom, left:right] = ring & ~noise
    return iris, usable


def _touching(lid: Eyelid, limbus: Boundary, side: int) -> Eyelid | None:
    """`lid` where it reaches into the limbus, else None."""
    inside = side * below(lid, limbus.points(TAU * np.arange(64) / 64))
    return lid if bool((inside < 0).any()) else None
