"""Segmentation of one eye picture: the stages in their order."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from irisstn.errors import SegmentationError
from irisstn.geometry import Bool, Boundary, CropTransform, Eyelids, Gray, ring_mask
from irisstn.gray_levels import require_gray
from irisstn.results import Confidence, Segmentation
from irisstn.segmentation.config import SegmentationConfig, require_config
from irisstn.segmentation.crop import Crop
from irisstn.segmentation.eye_location import MAX_ROUGH_RATIO, RoughEye, locate_eye
from irisstn.segmentation.limbus import flatness, refine_limbus
from irisstn.segmentation.occlusions import find_occlusions, find_reflections
from irisstn.segmentation.pupil import edge_clarity, fit_pupil, is_irregular, part_behind_eyelids
from irisstn.segmentation.ring_check import RingEdges, measure_ring_edges, require_uneven
from irisstn.segmentation.texture import require_texture
from irisstn.segmentation.turned_picture import (
    is_opened_sideways,
    may_be_sideways,
    turn_back,
    turn_picture,
    uprightness,
)

_MIN_PUPIL_CONTRAST = 15.0  # gray levels across the pupil's edge below which it is not traced
_MAX_PUPIL_RATIO = 0.85  # of the pupil's radius to that of the traced limbus
_MIN_DILATED_RATIO = 0.55  # the same, of a pupil that is widely dilated to the network
_MAX_BRIGHTER_PUPIL = 20.0  # gray levels by which a pupil may be brighter than the iris, as a clouded one
_STRONGER_EDGE = 3.0  # times the strength of the pupil's edge from which on another edge is taken for the pupil's
_LEAST_EDGE = 6.0  # gray levels
# What is found is all pupil where the edge of its centre is weaker than this part of the edge around it, and the centre
# is darker by fewer gray levels.
_WEAKEST_PUPIL, _DARKER_PUPIL = 0.15, 15.0
# Of a boundary's standard deviation: the least one in iris radii, and the part of the distance between the traced edge
# and the network's curve. Fitted on rendered eyes; `benchmarks/segmentation_uncertainty.py` shows how well.
_PUPIL_SD, _LIMBUS_SD = (0.0008, 0.1), (0.0075, 0.62)
_FLAT_SD = 0.2  # of the limbus besides, in iris radii, for a unit of the pupil's flatness: off axis it stays too round
# The pupil's besides, in iris radii: at an edge of the strength 0.6, and by how much its logarithm falls with the
# strength; for each unit of trust below the one given; and with all of its edge behind eyelids. In pixels that of
# pupils up to a radius.
_EDGE_SD, _EDGE_DECAY, _TRUST_SD, _FULL_TRUST, _COVERED_SD = 0.0056, 7.8, 0.16, 0.94, 0.02
_SMALL_PUPIL_SD_PX, _SMALL_PUPIL_PX = 0.12, 9.0
_UNSURE_PUPIL_SD = 0.02  # iris radii, from which on a pupil that was traced is in doubt
_MOST_TRUST = 0.84  # of an eye with a dilated or irregular pupil, or one in doubt: below 0.85 the record warns
_ROUGH_PUPIL_SD = 0.03  # iris radii, of a pupil that is not traced because its edge is faint


def segment_eye(image: Gray, config: SegmentationConfig = SegmentationConfig()) -> Segmentation:
    """Find the iris of the eye in a picture in which nothing is cut out.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        An eye picture, near infrared or the red channel.
    config : SegmentationConfig
        The limits below which an eye is refused.

    Returns
    -------
    Segmentation
        Boundaries, eyelids and masks in pixels of `image`.

    Raises
    ------
    SegmentationError
        Where no eye is found, or it is closed, too blurred, too small or without the texture of an iris.
    ValueError
        Where `image` is not an 8-bit gray picture.
    """
    require_gray(image)
    config = require_config(config)
    if min(image.shape) < 32:
        raise SegmentationError(f"a picture of {image.shape[1]}x{image.shape[0]} pixels is too small for an iris")
    if config.turned != "auto":
        return _segment_turned(image, int(config.turned) // 90, config)
    rough = locate_eye(image, config)
    sideways = _segment_sideways(image, rough, config) if may_be_sideways(rough.vertical_opening) else None
    return sideways or _segment_upright(image, rough, config)


def _segment_sideways(image: Gray, as_it_is: RoughEye, config: SegmentationConfig) -> Segmentation | None:
    """Segment a picture of a camera on its side; None where the eyelids, found again in turned ones, deny it."""
    looks: list[tuple[int, RoughEye]] = []
    for quarters in (1, 3):
        try:
            rough = locate_eye(turn_picture(image, quarters), config)
        except SegmentationError:
            return None
        if not is_opened_sideways(as_it_is.vertical_opening, rough.vertical_opening):
            return None  # most pictures are upright: the other turn is not looked at
        looks.append((quarters, rough))
    quarters, rough = max(looks, key=lambda look: uprightness(look[1].eyelids, look[1].limbus.mean_radius))
    found = turn_back(_segment_upright(turn_picture(image, quarters), rough, config), quarters)
    return replace(found, confidence=found.confidence and replace(found.confidence, turn_guessed=True))


def _segment_turned(image: Gray, quarters: int, config: SegmentationConfig) -> Segmentation:
    """Segment a picture as if it were turned by `quarters` times 90 degrees against the clock."""
    turned = turn_picture(image, quarters)
    return turn_back(_segment_upright(turned, locate_eye(turned, config), config), quarters)


def _segment_upright(image: Gray, rough: RoughEye, config: SegmentationConfig) -> Segmentation:
    pupil, limbus, strength = _trace_edges(image, rough, config)
    iris, usable = _masks(image, pupil, limbus, rough)
    visible = np.count_nonzero(usable) / (np.pi * (limbus.mean_radius**2 - pupil.mean_radius**2))
    if visible < config.min_usable:
        raise SegmentationError(f"only {100 * visible:.0f} % of the iris can be seen: the eye is nearly closed")
    texture = require_texture(image, pupil, limbus, usable, config)
    if texture is not None:
        require_uneven(pupil, limbus, rough.eyelids, texture.contrast, config.min_departure)
    confidence = _confidence(rough, pupil, limbus, strength, texture.contrast if texture else None)
    return Segmentation(pupil, limbus, *rough.eyelids, iris, usable, confidence, rough.opening_axis_rad)


def _trace_edges(image: Gray, rough: RoughEye, config: SegmentationConfig) -> tuple[Boundary, Boundary, float]:
    """The edges of pupil and limbus near their rough curves, and the strength of the pupil's.

    Raises SegmentationError where they are too blurred.

    In a dark iris under visible light the pupil's edge may be fainter than the texture: then the rough curve is kept.
    """
    crop = Crop.around(image, rough.limbus, 1.4, config.working_radius)
    to_crop = crop.transform
    inner, outer = (to_crop.boundary_to_crop(boundary) for boundary in (rough.pupil, rough.limbus))
    reflections = find_reflections(crop.image, inner, outer)
    upper, lower = (eyelid and to_crop.eyelid_to_crop(eyelid) for eyelid in rough.eyelids)
    pupil, strength = fit_pupil(crop.image, reflections, inner, (upper, lower))
    contrast, sharpness = edge_clarity(crop.image, reflections, pupil)
    if contrast < _MIN_PUPIL_CONTRAST:
        pupil, strength = inner, 1.0
    elif sharpness < config.min_sharpness:
        raise SegmentationError(f"the picture is too blurred (sharpness of the pupil's edge {sharpness:.2f})")
    _require_iris_around(pupil, outer, MAX_ROUGH_RATIO)
    limbus = refine_limbus(crop.image, reflections, pupil, outer, eyelids=(upper, lower))
    checked = _checked_pupil(crop.image, reflections, pupil, limbus, (upper, lower))
    if checked is not pupil:
        _require_iris_around(checked, outer, MAX_ROUGH_RATIO)
        pupil, limbus = checked, refine_limbus(crop.image, reflections, checked, outer, eyelids=(upper, lower))
    _require_iris_around(pupil, limbus, _MAX_PUPIL_RATIO)
    if rough.dilated and pupil.mean_radius < _MIN_DILATED_RATIO * limbus.mean_radius:
        raise SegmentationError("the network sees a widely dilated pupil, of which there is no edge")
    return to_crop.boundary_to_picture(pupil), to_crop.boundary_to_picture(limbus), strength


def _require_iris_around(pupil: Boundary, limbus: Boundary, most: float) -> None:
    """Raise SegmentationError where the pupil's radius is more than the part `most` of that of the limbus."""
    if pupil.mean_radius > most * limbus.mean_radius:
        raise SegmentationError("the pupil is too wide for the iris: one of their boundaries must be wrong")


def _checked_pupil(image: Gray, reflections: Bool, pupil: Boundary, limbus: Boundary, eyelids: Eyelids) -> Boundary:
    """`pupil`, or the one at a much stronger closed edge inside the iris.

    Raises SegmentationError where neither is a pupil.
    """
    edges = measure_ring_edges(image, reflections, pupil, limbus)
    # A wide reflection brightens a right pupil as well, but leaves its edge.
    if edges.darker < -_MAX_BRIGHTER_PUPIL and edges.pupil < _LEAST_EDGE:
        raise SegmentationError("what would be the pupil is brighter than the iris around it")
    if edges.other <= _STRONGER_EDGE * max(edges.pupil, _LEAST_EDGE):
        return _require_visible(pupil, edges)
    if edges.other_radius < _MAX_PUPIL_RATIO * limbus.mean_radius:
        other, _ = fit_pupil(image, reflections, Boundary.circle(pupil.x, pupil.y, edges.other_radius), eyelids)
        again = measure_ring_edges(image, reflections, other, limbus)
        # A closed edge of reflections inside a pupil has the pupil on both sides.
        if again.other <= _STRONGER_EDGE * max(again.pupil, _LEAST_EDGE) and again.darker >= _LEAST_EDGE:
            return _require_visible(other, again)
    raise SegmentationError("the edge of the pupil is much weaker than another one around it")


def _require_visible(pupil: Boundary, edges: RingEdges) -> Boundary:
    """`pupil`. Raises SegmentationError where it is so faint that the whole dark disc may be a wide pupil."""
    if edges.pupil < _WEAKEST_PUPIL * edges.limbus and edges.darker < _DARKER_PUPIL:
        raise SegmentationError("no pupil is visible in the iris: the whole dark disc may be a widely dilated one")
    return pupil


def _confidence(
    rough: RoughEye, pupil: Boundary, limbus: Boundary, strength: float, texture: float | None
) -> Confidence:
    """The trust, and standard deviations of the boundaries.

    They grow with the distance of a traced edge from the network's curve; that of the pupil also where its edge hardly
    stands out, or the network's map is not round, as beside a wide reflection, and where the pupil has few pixels.
    """
    radius = limbus.mean_radius
    pupil_moved, limbus_moved = rough.pupil.deviation(pupil), rough.limbus.deviation(limbus)
    pupil_sd = math.hypot(
        _PUPIL_SD[0] * radius,
        _PUPIL_SD[1] * pupil_moved,
        _EDGE_SD * radius * math.exp(_EDGE_DECAY * (0.6 - strength)),
        _TRUST_SD * radius * max(0.0, _FULL_TRUST - rough.trust),
        _COVERED_SD * radius * part_behind_eyelids(pupil, rough.eyelids),
        _SMALL_PUPIL_SD_PX * min(1.0, _SMALL_PUPIL_PX / pupil.mean_radius) ** 2,
    )
    unusual = rough.dilated or is_irregular(pupil) or pupil_sd > _UNSURE_PUPIL_SD * radius
    if pupil_moved < 1e-6 * radius:  # the network's pupil, of a dark iris: in photographs it is nearly always right
        pupil_sd = max(pupil_sd, _ROUGH_PUPIL_SD * radius)
    limbus_sd = math.hypot(_LIMBUS_SD[0] * radius, _LIMBUS_SD[1] * limbus_moved, _FLAT_SD * radius * flatness(pupil))
    trust = min(rough.trust, _MOST_TRUST) if unusual else rough.trust
    return Confidence(trust, pupil_sd, limbus_sd, rough.eyes_seen, texture)


def _masks(image: Gray, pupil: Boundary, limbus: Boundary, rough: RoughEye) -> tuple[Bool, Bool]:
    """The iris between the eyelids and its usable part, both (H, W); computed on the iris's bounding box alone."""
    height, width = image.shape
    points = limbus.even_points(64)
    (x, y), (far_x, far_y) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    left, top = min(max(math.floor(x) - 2, 0), width - 1), min(max(math.floor(y) - 2, 0), height - 1)
    right, bottom = min(max(math.ceil(far_x) + 3, left + 1), width), min(max(math.ceil(far_y) + 3, top + 1), height)
    box = (bottom - top, right - left)
    to_box = CropTransform(left, top)
    inner, outer = (to_box.boundary_to_crop(curve) for curve in (pupil, limbus))
    upper, lower = (eyelid and to_box.eyelid_to_crop(eyelid) for eyelid in rough.eyelids)
    eyelids = upper, lower
    ring = ring_mask(inner, outer, eyelids, box)
    iris, usable = np.zeros((2, height, width), np.bool_)
    iris[top:bottom, left:right] = ring
    part = np.ascontiguousarray(image[top:bottom, left:right])
    occlusions = find_occlusions(
        part, ring, limbus.mean_radius, eyelids, likely=rough.occlusion, crop=rough.crop, corner=(left, top)
    )
    usable[top:bottom, left:right] = ring & ~occlusions
    return iris, usable
