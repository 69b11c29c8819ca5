"""One eye picture to its iris ring: the stages in their order."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import NoReturn

import numpy as np

from irisstn.errors import SegmentationError
from irisstn.geometry import TAU, Bool, Boundary, Gray, Lids
from irisstn.results import Segmentation
from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.crop import Crop
from irisstn.segmentation.limbus import refine_limbus
from irisstn.segmentation.map_fitting import Disc, agreement, find_disc, fit_disc, fit_opening
from irisstn.segmentation.network import GRID, IRIS_RADIUS, SIZE, PartMaps, predict_part_maps
from irisstn.segmentation.occlusions import find_glints, find_occlusions
from irisstn.segmentation.pupil import edge_clarity, fit_pupil

_MAX_CLOSER_CROPS = 2  # at most
_CLOSER_CROP_SIZE = (96, 112)  # (H, W) of what is looked at then: 1.6 by 1.9 iris radii to each side
_MIN_PUPIL_CONTRAST = 15.0  # gray levels across the pupil's edge below which it is not traced
_WIDEST_PUPIL = 0.9  # of the iris's radius
_OFF_CENTRE, _OFF_SIZE = 0.3, 0.2  # of a well framed iris: its centre in radii, its size as a logarithm


def segment_eye(image: Gray, config: SegmentationConfig = SegmentationConfig()) -> Segmentation:
    """The iris ring of the eye in `image` (H, W) uint8.

    Raises SegmentationError where no eye can be trusted, ValueError where `image` is no 8-bit gray picture.
    """
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"the picture must be (H, W) of uint8, got {image.shape} of {image.dtype}")
    if min(image.shape) < 32:
        raise SegmentationError(f"a picture of {image.shape[1]}x{image.shape[0]} pixels is too small for an iris")
    rough = _locate_eye(image, config)
    pupil, limbus = _trace_edges(image, rough, config)
    iris, usable = _masks(image, pupil, limbus, rough.lids)
    visible = np.count_nonzero(usable) / (np.pi * (limbus.mean_radius**2 - pupil.mean_radius**2))
    if visible < config.min_usable:
        raise SegmentationError(f"only {100 * visible:.0f} % of the iris can be seen: the eye is nearly closed")
    return Segmentation(pupil, limbus, *rough.lids, iris, usable)


@dataclass(frozen=True, slots=True)
class _RoughEye:
    """An eye as the network sees it, in the picture's pixels, before its edges are traced."""

    pupil: Boundary
    limbus: Boundary
    lids: Lids


def _locate_eye(image: Gray, config: SegmentationConfig) -> _RoughEye:
    """The eye in `image`: looked at closer until its iris has the size that the network knows best."""
    crop, parts, iris = _search_picture(image)
    for _ in range(_MAX_CLOSER_CROPS):
        if _well_framed(iris, crop.image.shape):
            break
        x, y = crop.to_picture(iris.x, iris.y)
        crop = Crop.framed(image, x, y, crop.factor * iris.radius / IRIS_RADIUS, _CLOSER_CROP_SIZE)
        parts = predict_part_maps(crop.image)
        iris = find_disc(parts.iris) or _not_found("the picture", "an iris")
    disc = find_disc(parts.pupil) or _not_found("the iris", "a pupil")
    pupil, limbus = fit_disc(parts.pupil, disc), fit_disc(parts.iris, iris, parts.opening)
    trust = min(agreement(parts.pupil, pupil), agreement(parts.iris, limbus))
    if trust < config.min_trust:
        raise SegmentationError(f"no pupil and iris that could be trusted: no eye, or closed (trust {trust:.2f})")
    if pupil.mean_radius > _WIDEST_PUPIL * limbus.mean_radius:
        raise SegmentationError("the pupil and the iris that were found are of one size")
    upper, lower = fit_opening(parts.opening, limbus)
    lids = upper and crop.eyelid(upper), lower and crop.eyelid(lower)
    return _RoughEye(crop.boundary(pupil), crop.boundary(limbus), lids)


def _search_picture(image: Gray) -> tuple[Crop, PartMaps, Disc]:
    """The whole picture, what is seen in it and its largest iris; where there is none, the same of its quarters."""
    height, width = image.shape
    factor = max(height / SIZE[0], width / SIZE[1])
    rows, columns = (GRID * max(1, math.ceil(round(side / factor) / GRID)) for side in (height, width))
    for share, places in ((1.0, (0.5,)), (0.5, (0.25, 0.5, 0.75))):
        seen: list[tuple[Crop, PartMaps, Disc]] = []
        for x, y in product(places, places):
            crop = Crop.framed(image, x * width - 0.5, y * height - 0.5, share * factor, (rows, columns))
            parts = predict_part_maps(crop.image)
            if iris := find_disc(parts.iris):
                seen.append((crop, parts, iris))
        if seen:
            return max(seen, key=lambda one: one[2].radius)
    _not_found("the picture", "an iris")


def _not_found(where: str, what: str) -> NoReturn:
    raise SegmentationError(f"nothing in {where} looks like {what}")


def _well_framed(iris: Disc, size: tuple[int, int]) -> bool:
    off = np.hypot(iris.x - (size[1] - 1) / 2, iris.y - (size[0] - 1) / 2) / IRIS_RADIUS
    return bool(off < _OFF_CENTRE and abs(np.log(iris.radius / IRIS_RADIUS)) < _OFF_SIZE)


def _trace_edges(image: Gray, rough: _RoughEye, config: SegmentationConfig) -> tuple[Boundary, Boundary]:
    """The edges of pupil and limbus near their rough curves. Raises SegmentationError where they are too blurred.

    In a dark iris under visible light the pupil's edge may be fainter than the texture: then the rough curve is better.
    """
    crop = Crop.around(image, rough.limbus, 1.4, config.working_radius)
    inner = crop.from_picture(rough.pupil)
    glints = find_glints(crop.image, inner)
    pupil = fit_pupil(crop.image, glints, inner)
    contrast, sharpness = edge_clarity(crop.image, glints, pupil)
    if contrast < _MIN_PUPIL_CONTRAST:
        pupil = inner
    elif sharpness < config.min_sharpness:
        raise SegmentationError(f"the picture is too blurred (sharpness of the pupil's edge {sharpness:.2f})")
    upper, lower = (lid and crop.eyelid_from_picture(lid) for lid in rough.lids)
    limbus = refine_limbus(crop.image, glints, pupil, crop.from_picture(rough.limbus), lids=(upper, lower))
    return crop.boundary(pupil), crop.boundary(limbus)


def _masks(image: Gray, pupil: Boundary, limbus: Boundary, lids: Lids) -> tuple[Bool, Bool]:
    """The iris between the lids and its usable part, both (H, W); worked out on the iris's bounding box alone."""
    height, width = image.shape
    points = limbus.points(TAU * np.arange(64) / 64)
    left, top = (int(v) for v in np.clip(np.floor(points.min(axis=0)) - 2, 0, (width - 1, height - 1)))
    right, bottom = (int(v) for v in np.clip(np.ceil(points.max(axis=0)) + 3, (left + 1, top + 1), (width, height)))
    size = (bottom - top, right - left)
    inner, outer = (replace(curve, x=curve.x - left, y=curve.y - top) for curve in (pupil, limbus))
    upper, lower = (lid and replace(lid, x=lid.x - left, y=lid.y - top) for lid in lids)
    open_eye = np.ones(size, np.bool_) if upper is None else ~upper.above(size)
    if lower is not None:
        open_eye &= lower.above(size)
    ring = outer.mask(size) & ~inner.mask(size) & open_eye
    noise = find_occlusions(np.ascontiguousarray(image[top:bottom, left:right]), ring, open_eye, limbus.mean_radius)
    iris, usable = np.zeros((2, height, width), np.bool_)
    iris[top:bottom, left:right] = ring
    usable[top:bottom, left:right] = ring & ~noise
    return iris, usable
