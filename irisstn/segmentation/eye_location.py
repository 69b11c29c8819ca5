"""Where the eye is: a crop of the picture that suits the network, and curves fitted to the network's maps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from operator import attrgetter
from typing import Literal, NoReturn

from irisstn.errors import SegmentationError
from irisstn.geometry import Boundary, CropTransform, Eyelids, Float32, Gray
from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.crop import Crop
from irisstn.segmentation.map_fitting import (
    TILTED_RAD,
    Disc,
    axis_tilt,
    find_disc,
    find_discs,
    fit_disc,
    fit_eyelids,
    soft_iou,
)
from irisstn.segmentation.network import CROP_SIZE, GRID, IRIS_RADIUS, SIZE, PartMaps, predict_part_maps
from irisstn.segmentation.opening_axis import opening_axis
from irisstn.segmentation.turned_picture import vertical_opening
from irisstn.segmentation.warped_views import predict_contracted, predict_upright

MAX_ROUGH_RATIO = 0.9  # of the pupil's radius to that of the network's limbus
_MAX_CLOSER_CROPS = 2
# The trust below which a dilated pupil is suspected, as in 2 of 3757 near-infrared pictures, and the one that it must
# reach when it is contracted; the ratio of its radius to that of the iris from which on it is one; within how many
# radii of the iris, and how often, it is contracted.
_SURE_TRUST, _DILATED_TRUST, _WIDE_RATIO, _REACHES, _MAX_CONTRACTED = 0.9, 0.87, 0.6, (1.0, 1.3), 2
_TRUST_SPREAD = 0.02  # by which the trust may fall where the picture of a tilted head is turned
# Of a well framed iris: the distance of its centre from that of the crop, in iris radii, and of its log radius.
_MAX_CENTRE_ERROR, _MAX_LOG_SIZE_ERROR = 0.3, 0.2


@dataclass(frozen=True, slots=True)
class RoughEye:
    """The eye that the network finds, in pixels of the picture, before its edges are traced.

    Attributes
    ----------
    pupil, limbus : Boundary
        Curves fitted to the network's maps.
    eyelids : Eyelids
        Upper and lower eyelid.
    occlusion : ndarray of float32, shape (h, w)
        The network's map of occlusions in a crop.
    crop : CropTransform
        That crop.
    vertical_opening : float
        See `irisstn.segmentation.turned_picture.vertical_opening`.
    opening_axis_rad : float or None
        See `irisstn.segmentation.opening_axis`.
    trust : float
        How well the curves fit the maps, 0..1.
    eyes_seen : int
        Number of eyes in the picture.
    dilated : bool
        Whether the pupil was found by contracting it.
    """

    pupil: Boundary
    limbus: Boundary
    eyelids: Eyelids
    occlusion: Float32
    crop: CropTransform
    vertical_opening: float
    opening_axis_rad: float | None
    trust: float
    eyes_seen: int
    dilated: bool = False


def locate_eye(image: Gray, config: SegmentationConfig) -> RoughEye:
    """Find the eye in a picture, from a crop in which the iris has the size that the network was trained on.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        An eye picture.
    config : SegmentationConfig
        Which eye of several, and the least trust.

    Returns
    -------
    RoughEye
        The eye, its edges not yet traced.

    Raises
    ------
    SegmentationError
        Where there is no eye, or none that could be trusted.
    """
    crop, parts, iris, eyes_seen = _search_picture(image, config.eye)
    axis = opening_axis(parts.opening, iris)
    for _ in range(_MAX_CLOSER_CROPS):
        if _well_framed(iris, crop.image.shape):
            break
        x, y = crop.transform.point_to_picture(iris.x, iris.y)
        crop = Crop.framed(image, x, y, crop.transform.factor * iris.radius / IRIS_RADIUS, CROP_SIZE)
        parts = predict_part_maps(crop.image)
        iris = find_disc(parts.iris) or _not_found("the picture", "an iris")
    found = _fit_eye(crop.image, parts, iris)
    if found.trust < config.min_trust:
        raise SegmentationError(f"no pupil and iris that could be trusted: no eye, or closed (trust {found.trust:.2f})")
    if found.pupil.mean_radius > MAX_ROUGH_RATIO * found.limbus.mean_radius:
        raise SegmentationError("the pupil and the iris that were found are of one size")
    to_picture = crop.transform
    upper, lower = (eyelid and to_picture.eyelid_to_picture(eyelid) for eyelid in found.eyelids)
    return RoughEye(
        to_picture.boundary_to_picture(found.pupil),
        to_picture.boundary_to_picture(found.limbus),
        (upper, lower),
        found.parts.occlusion,
        to_picture,
        vertical_opening(found.parts.opening, found.limbus),
        axis,
        found.trust,
        eyes_seen,
        found.dilated,
    )


@dataclass(frozen=True, slots=True)
class _FittedMaps:
    """The network's maps and the curves fitted to them, in pixels of the maps.

    `trust` is how well they fit; `dilated` says that the maps are those of a contracted pupil.
    """

    parts: PartMaps
    iris: Disc
    pupil: Boundary
    limbus: Boundary
    eyelids: Eyelids
    trust: float
    dilated: bool = False


def _fit_eye(picture: Gray, parts: PartMaps, iris: Disc) -> _FittedMaps:
    """The curves fitted to the maps of `picture`, or to those of a warped one where these show a rare eye better."""
    found = _fitted(parts, iris) or _not_found("the iris", "a pupil")
    if abs(tilt := axis_tilt(found.eyelids)) > TILTED_RAD:
        upright = _fitted(predict_upright(picture, found.iris, tilt))
        if upright and upright.trust > found.trust - _TRUST_SPREAD:
            found = upright
    return found if found.trust >= _SURE_TRUST else _with_dilated_pupil(picture, found) or found


def _with_dilated_pupil(picture: Gray, found: _FittedMaps) -> _FittedMaps | None:
    """The curves fitted to the maps of a picture in which the pupil is contracted; None where they fit badly, too.

    What was found for the iris may be the pupil, so that a wider circle is tried where the iris itself is of no use.
    """
    for reach in _REACHES:
        iris, best = replace(found.iris, radius=reach * found.iris.radius), found
        for _ in range(_MAX_CONTRACTED):
            wider = _fitted(predict_contracted(picture, iris, found.parts), least=best.trust)
            if not wider or not _is_wide(wider):
                break
            iris, best = wider.iris, wider
        if best is not found and best.trust >= _DILATED_TRUST:
            return replace(best, dilated=True)
    return None


def _is_wide(found: _FittedMaps) -> bool:
    return found.pupil.mean_radius > _WIDE_RATIO * found.limbus.mean_radius


def _fitted(parts: PartMaps, iris: Disc | None = None, *, least: float = -1.0) -> _FittedMaps | None:
    """The curves fitted to maps, of which `iris` may be known.

    None where the maps have no iris or no pupil, or where the trust is not above `least`.
    """
    iris, pupil = iris or find_disc(parts.iris), find_disc(parts.pupil)
    if iris is None or pupil is None:
        return None
    inner, outer = fit_disc(parts.pupil, pupil), fit_disc(parts.iris, iris, parts.opening)
    trust = min(soft_iou(parts.pupil, inner), soft_iou(parts.iris, outer))
    if trust <= least:
        return None
    return _FittedMaps(parts, iris, inner, outer, fit_eyelids(parts.opening, outer), trust)


def _search_picture(image: Gray, eye: Literal["largest", "left", "right"]) -> tuple[Crop, PartMaps, Disc, int]:
    """A crop with an iris, that iris, and the number of eyes in the crop.

    The crop is the whole picture or, where that has no iris, the one of nine of half its size with the largest iris.
    """
    height, width = image.shape
    factor = max(height / SIZE[0], width / SIZE[1])
    rows, columns = (GRID * max(1, math.ceil(round(side / factor) / GRID)) for side in (height, width))
    for fraction, centres in ((1.0, (0.5,)), (0.5, (0.25, 0.5, 0.75))):
        found: list[tuple[Crop, PartMaps, Disc, int]] = []
        for x, y in product(centres, centres):
            crop = Crop.framed(image, x * width - 0.5, y * height - 0.5, fraction * factor, (rows, columns))
            parts = predict_part_maps(crop.image)
            if irises := find_discs(parts.iris):
                eyes = [iris for iris in irises if _has_pupil(parts.pupil, iris)] or irises[:1]
                chosen = {
                    "largest": eyes[0],
                    "left": min(eyes, key=attrgetter("x")),
                    "right": max(eyes, key=attrgetter("x")),
                }[eye]
                found.append((crop, parts, chosen, len(eyes)))
        if found:
            return max(found, key=lambda candidate: candidate[2].radius)
    _not_found("the picture", "an iris")


def _has_pupil(likely: Float32, iris: Disc) -> bool:
    row, column = round(iris.y), round(iris.x)
    reach = max(1, round(0.4 * iris.radius))
    near = likely[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    return bool(near.max(initial=0.0) > 0.5)


def _not_found(where: str, what: str) -> NoReturn:
    raise SegmentationError(f"nothing in {where} looks like {what}")


def _well_framed(iris: Disc, size: tuple[int, int]) -> bool:
    """Whether an iris lies near the middle of a crop of `size` (H, W), and has nearly the network's size."""
    offset = math.hypot(iris.x - (size[1] - 1) / 2, iris.y - (size[0] - 1) / 2) / IRIS_RADIUS
    return offset < _MAX_CENTRE_ERROR and abs(math.log(iris.radius / IRIS_RADIUS)) < _MAX_LOG_SIZE_ERROR
