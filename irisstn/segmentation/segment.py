"""One eye picture to its iris ring: the stages in their order."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.errors import SegmentationError
from irisstn.geometry import Bool, Boundary, Eyelid
from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.eyelids import find_lids
from irisstn.segmentation.limbus import LimbusCircle, find_limbus, fit_limbus, refine_limbus
from irisstn.segmentation.locate import locate_eye
from irisstn.segmentation.noise import find_glints, find_lamps, find_noise
from irisstn.segmentation.pupil import find_pupil, fit_pupil, pupil_evidence
from irisstn.segmentation.result import Segmentation
from irisstn.segmentation.view import View

_CLEAR_CONTRAST = 30.0  # gray levels across the pupil's edge from which more would add no trust
_SURE_PUPIL = 0.5  # score from which a pupil is not looked for anew
_SEARCH_RADIUS=24.0
Gray = NDArray[np.uint8]


def segment(image: Gray, config: SegmentationConfig = SegmentationConfig()) -> Segmentation:
    """The iris ring of the eye in `image` (H, W) uint8.

    Raises SegmentationError where no eye can be trusted, ValueError where `image` is no 8-bit gray picture.
    """
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"the picture must be (H, W) of uint8, got {image.shape} of {image.dtype}")
    if min(image.shape) < 32:
        raise SegmentationError(f"a picture of {image.shape[1]}x{image.shape[0]} pixels is too small for an iris")
    small = View.reduced(image, max(1.0, min(image.shape) / config.search_rows))
    pupil, pupil_score, side = _find_ring(image, small, config)
    limbus = small.boundary(side.circle)

    radius = pupil.mean_radius
    view = View.around(image, pupil.x, pupil.y, 1.7 * radius + 8, max(1.0, radius / (0.5 * config.working_radius)))
    glints = find_glints(view.image, 2.5 * radius / view.factor)
    pupil = fit_pupil(view.image, glints, view.from_picture(pupil))
    _check_trust(pupil_score, pupil_evidence(view.image, glints, pupil), side.score, config)
    pupil = view.boundary(pupil)

    radius = limbus.mean_radius
    view = View.around(image, limbus.x, limbus.y, 1.7 * radius, max(1.0, radius / config.working_radius))
    glints = find_glints(view.image, radius / view.factor)
    pupil = view.from_picture(pupil)
    limbus = fit_limbus(view.image, glints, pupil, view.from_picture(limbus), side.sign)
    upper, lower = find_lids(view.image, glints, pupil, limbus)
    limbus = refine_limbus(view.image, glints, pupil, limbus, (upper, lower), side.sign)
    upper, lower = find_lids(view.image, glints, pupil, limbus)
    limbus = refine_limbus(view.image, glints, pupil, limbus, (upper, lower), side.sign)

    pupil, limbus = view.boundary(pupil), view.boundary(limbus)
    upper = view.eyelid(upper) if upper is not None else None
    lower = view.eyelid(lower) if lower is not None else None
    iris, usable = _masks(image, pupil, limbus, (upper, lower))
    ring = np.pi * (limbus.mean_radius**2 - pupil.mean_radius**2)
    share = np.count_nonzero(usable) / max(ring, 1.0)
    if share < config.min_usable:
        raise SegmentationError(f"only {100 * share:.0f} % of the iris ring is visible: the eye is nearly closed")
    return Segmentation(pupil, limbus, upper, lower, iris, usable)


def _find_ring(image: Gray, small: View, config: SegmentationConfig) -> tuple[Boundary, float, LimbusCircle]:
    """The likeliest pupil, in the picture's pixels, with its score, and limbus, in the reduced picture's."""
    lamps = find_lamps(small.image)
    calm = cv2.GaussianBlur(small.image, (0, 0), 1.0)
    rings: list[tuple[float, float, Boundary, LimbusCircle]] = []
    eyes = locate_eye(small.image, lamps, candidates=config.candidates)
    for eye in [eye for eye in eyes if eye.score > 0.5 * eyes[0].score][:8]:
        start = small.boundary(Boundary.circle(eye.x, eye.y, eye.pupil_radius))
        for _ in range(2):
            pupil, pupil_score = _search_pupil(image, start)
            limbus = find_limbus(calm, lamps, small.from_picture(pupil))
            rings.append((eye.score * (0.2 + pupil_score) * (0.4 + limbus.score), pupil_score, pupil, limbus))
            if pupil_score > _SURE_PUPIL:
                break
            start = small.boundary(limbus.circle)  # lamps inside the pupil may have passed for it
    if not rings:
        raise SegmentationError("no pupil and iris ring in the picture")
    best = max(rings, key=lambda ring: ring[0])
    for ring in rings:  # an iris in a round frame may pass for a pupil in its iris: then prefer the ring inside it
        nearly = ring[0] > 0.7 * best[0] and ring[1] > 0.7 * best[1]
        if nearly and _same_circle(small.boundary(ring[3].circle), best[2]):
            best = ring
    _, score, pupil, limbus = best
    if limbus.score < config.min_limbus:
        raise SegmentationError(f"no limbus found around the pupil (score {limbus.score:.2f})")
    return pupil, score, limbus


def _check_trust(
    score: float, evidence: tuple[float, float, float], limbus_score: float, config: SegmentationConfig
) -> None:
    """Raise SegmentationError where the rings found are not to be trusted as an eye's.

    A dark iris in visible light has a faint pupil but a clear limbus, a light one under infrared the other way round.
    """
    contrast, sharpness, agreement = evidence
    pupil = score * agreement * min(1.0, np.sqrt(max(contrast, 0.0) / _CLEAR_CONTRAST))
    trust = 0.6 * pupil + 0.4 * min(1.0, limbus_score)
    if trust < config.min_trust:
        raise SegmentationError(f"no pupil and iris that could be trusted: no eye, or closed (trust {trust:.2f})")
    if sharpness < config.min_sharpness:
        raise SegmentationError(f"the picture is too blurred (sharpness of the pupil's edge {sharpness:.2f})")


def _search_pupil(image: Gray, start: Boundary) -> tuple[Boundary, float]:
    """The pupil's circle near `start`, both in the picture's pixels, and its score."""
    radius = start.mean_radius
    view = View.around(image, start.x, start.y, 2.2 * radius + 4, max(1.0, radius / _SEARCH_RADIUS))
    glints = find_glints(view.image, 2.5 * radius / view.factor)
    found, score = find_pupil(view.image, glints, *view.to_view(start.x, start.y), radius / view.factor)
    return view.boundary(found), score


def _same_circle(one: Boundary, other: Boundary) -> bool:
    radius = other.mean_radius
    return bool(np.hypot(one.x - other.x, one.y - other.y) < 0.2 * radius and abs(one.mean_radius - radius) < 0.2 * radius)


def _masks(
    image: Gray, pupil: Boundary, limbus: Boundary, lids: tuple[Eyelid | None, Eyelid | None]
) -> tuple[Bool, Bool]:
    """The iris between the lids and its usable part, both (H, W); worked out on the iris's bounding box alone."""
    height, width = image.shape
    points = limbus.points(np.linspace(0, 2 * np.pi, 64))
    left, top = np.clip(np.floor(points.min(axis=0)).astype(int) - 2, 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(points.max(axis=0)).astype(int) + 3, 1, (width, height))
    size = (max(1, int(bottom - top)), max(1, int(right - left)))
    inner, outer = (replace(curve, x=curve.x - left, y=curve.y - top) for curve in (pupil, limbus))
    between = np.ones(size, np.bool_)
    for lid, is_upper in zip(lids, (True, False), strict=True):
        if lid is not None:
            above = replace(lid, x=lid.x - left, y=lid.y - top).above(size)
            between &= ~above if is_upper else above
    ring = outer.mask(size) & ~inner.mask(size) & between
    noise = find_noise(np.ascontiguousarray(image[top:bottom, left:right]), ring, between, limbus.mean_radius)
    iris, usable = np.zeros((2, height, width), np.bool_)
    iris[top:bottom, left:right] = ring
    usable[top:bottom, left:right] = ring & ~noise
    return iris, usable
