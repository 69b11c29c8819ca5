"""Segmentations of other programs: circles, ellipses or masks that somebody has found, for `Rectifier.rectify_eye`.

segmentation = segmentation_from_circles(image, pupil=(161, 118, 38), iris=(160, 120, 97))
rectified = irisstn.Rectifier.load().rectify_eye(image, segmentation)
"""

from __future__ import annotations

import numpy as np

from irisstn.errors import SegmentationError
from irisstn.geometry import Bool, Boundary, Ellipse, Eyelids, Gray, ring_mask
from irisstn.gray_levels import require_gray
from irisstn.results import Segmentation
from irisstn.segmentation.config import SegmentationConfig, require_config
from irisstn.segmentation.crop import Crop
from irisstn.segmentation.map_fitting import fit_eyelids, soft_iou
from irisstn.segmentation.masked_image import boundaries_of_region
from irisstn.segmentation.network import CROP_SIZE, IRIS_RADIUS, PartMaps, predict_part_maps
from irisstn.segmentation.occlusions import find_occlusions

Curve = Boundary | Ellipse | tuple[float, float, float]  # of a tuple: x, y and radius of a circle, in pixels


def segmentation_from_circles(
    image: Gray,
    pupil: Curve,
    iris: Curve,
    *,
    usable: Bool | None = None,
    eyelids: Eyelids | None = None,
    config: SegmentationConfig = SegmentationConfig(),
) -> Segmentation:
    """Make a segmentation of the boundaries that another program has found.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The photograph.
    pupil, iris : tuple of float, Ellipse or Boundary
        Inner and outer boundary of the iris; a tuple is (x, y, radius) of a circle, in pixels.
    usable : ndarray of bool, shape (H, W), optional
        True on the iris without occlusions; None: what this project's own search for eyelashes and reflections leaves.
    eyelids : tuple of Eyelid or None, optional
        Upper and lower eyelid. None: found by this project's own network, each None where it is not visible, both where
        the network sees no iris there.
    config : SegmentationConfig
        Its `min_trust` is the overlap from which on the network counts as seeing the iris.

    Returns
    -------
    Segmentation
        With these boundaries.

    Raises
    ------
    SegmentationError
        Where the pupil is not inside the iris, or the iris outside the picture.
    ValueError
        Where the image or the mask has another shape or type, or a number is not finite.
    """
    _require_picture(image, usable)
    config = require_config(config)
    inner, outer = _boundary(pupil), _boundary(iris)
    _require_ring(inner, outer)
    crop, parts = _part_maps_around(image, outer)
    upper, lower = _find_eyelids(crop, parts, outer, config) if eyelids is None else eyelids
    ring = ring_mask(inner, outer, (upper, lower), image.shape)
    if not ring.any():
        raise SegmentationError("no part of the iris lies in the picture and between the eyelids")
    if usable is None:
        radius, likely = outer.mean_radius, parts.occlusion
        usable = ~find_occlusions(image, ring, radius, (upper, lower), likely=likely, crop=crop.transform)
    return Segmentation(inner, outer, upper, lower, ring, ring & usable)


def segmentation_from_masks(
    image: Gray,
    iris_mask: Bool,
    pupil_mask: Bool | None = None,
    *,
    usable: Bool | None = None,
    eyelids: Eyelids | None = None,
    config: SegmentationConfig = SegmentationConfig(),
) -> Segmentation:
    """Fit circles or ellipses to the mask that another program has found.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The photograph.
    iris_mask : ndarray of bool, shape (H, W)
        True on the iris; eyelids may cut off parts of it. Where it includes the pupil, `pupil_mask` is needed.
    pupil_mask : ndarray of bool, shape (H, W), optional
        True on the pupil.
    usable : ndarray of bool, shape (H, W), optional
        True on the iris without occlusions; None: all of `iris_mask` but for the pupil.
    eyelids, config
        As in `segmentation_from_circles`.

    Returns
    -------
    Segmentation
        With the fitted boundaries; its `iris_mask` is the given one between them.

    Raises
    ------
    SegmentationError
        Where no ring fits the mask.
    ValueError
        Where the image or a mask has another shape or type.
    """
    _require_picture(image, iris_mask, pupil_mask, usable)
    config = require_config(config)
    content = iris_mask if pupil_mask is None else iris_mask & ~pupil_mask
    found = boundaries_of_region(content)
    if found is None:
        hint = "" if pupil_mask is not None else "; where the mask includes the pupil, give the pupil's mask as well"
        raise SegmentationError(f"no pupil and iris fit the edges of the mask{hint}")
    _require_ring(*found)
    ring = content & found[1].mask(image.shape) & ~found[0].mask(image.shape)
    if eyelids is None:
        eyelids = _find_eyelids(*_part_maps_around(image, found[1]), found[1], config)
    upper, lower = eyelids
    return Segmentation(*found, upper, lower, ring, ring if usable is None else ring & usable)


def _part_maps_around(image: Gray, limbus: Boundary) -> tuple[Crop, PartMaps]:
    """The network's maps of a crop around `limbus`."""
    crop = Crop.framed(image, limbus.x, limbus.y, limbus.mean_radius / IRIS_RADIUS, CROP_SIZE)
    return crop, predict_part_maps(crop.image)


def _find_eyelids(crop: Crop, parts: PartMaps, limbus: Boundary, config: SegmentationConfig) -> Eyelids:
    """The eyelids that the network sees around `limbus`; none where it sees no iris there."""
    inside = crop.transform.boundary_to_crop(limbus)
    if soft_iou(parts.iris, inside) < config.min_trust:
        return None, None
    upper, lower = (
        eyelid and crop.transform.eyelid_to_picture(eyelid) for eyelid in fit_eyelids(parts.opening, inside)
    )
    return upper, lower


def _boundary(curve: Curve) -> Boundary:
    if isinstance(curve, Boundary):
        return curve
    return Boundary.from_ellipse(curve) if isinstance(curve, Ellipse) else Boundary.circle(*curve)


def _require_ring(pupil: Boundary, limbus: Boundary) -> None:
    """Raise SegmentationError where a part of the pupil lies beyond the limbus."""
    x, y = pupil.even_points(64).T
    angle = np.arctan2(y - limbus.y, x - limbus.x)
    if (np.hypot(x - limbus.x, y - limbus.y) >= limbus.radius(angle)).any():
        raise SegmentationError(
            f"the pupil around ({pupil.x:.0f}, {pupil.y:.0f}) with a radius of {pupil.mean_radius:.0f} pixels is not "
            f"inside the iris around ({limbus.x:.0f}, {limbus.y:.0f}) with {limbus.mean_radius:.0f}"
        )


def _require_picture(image: Gray, *masks: Bool | None) -> None:
    require_gray(image)
    for mask in masks:
        if mask is not None and (mask.shape != image.shape or mask.dtype != np.bool_):
            raise ValueError(f"a mask must be bool like the picture {image.shape}, got {mask.shape} of {mask.dtype}")
