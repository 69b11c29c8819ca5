"""Irises that somebody has cut out: pictures in which all but the iris is one flat gray level.

Eyelids, pupil and reflections may be flat as well, or left in. Where the pupil is flat, both boundaries are circles or
ellipses through the edges of the flat regions. Where it is left in, the background takes a sclera-like gray, as the
segmentation network was trained on, and the picture is segmented like a photograph. Whether it really shows a cut-out
iris is then decided by what lies beyond the limbus: in a cut-out iris it is flat all around. A photograph with
burnt-out skin, with black bars or with a round field of view has a flat frame, too, but not up to the limbus.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from irisstn.errors import SegmentationError
from irisstn.geometry import TAU, Bool, Boundary, CropTransform, Float, Gray
from irisstn.results import Segmentation
from irisstn.segmentation.circle_fit import fit_circle, region_edge
from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.flat_background import Background, frames_rectangle
from irisstn.segmentation.segment import segment_eye
from irisstn.segmentation.texture import require_texture

# Of the pixels beyond the limbus, the part that is background; an overexposed photograph shows lashes there.
_MIN_OUTSIDE_FRACTION, _MIN_SATURATED_OUTSIDE = 0.97, 0.998
_MIN_EDGE_FRACTION = 0.4  # of the directions in which the background begins at the limbus: eyelids hide the others
_INNER, _OUTER = 0.97, 1.1  # limbus radii between which the background begins; JPEG blurs its edge
_DIRECTIONS = 128
_AROUND, _MAX_AROUND_FRACTION = 1.25, 0.5  # limbus radii, and how much up to there may be background on both sides
_SURROUNDINGS, _MIN_SURROUNDINGS = 1.35, 0.02  # limbus radii, and the part of the picture beyond that is not flat
_MIN_PAINTED_PUPIL = 0.85  # of the pupil's disc that is flat where the pupil is painted over
_MIN_PUPIL_CONTRAST = 8  # gray levels by which a pupil is darker than the iris
# A white pupil is a specular reflection where its radius is less than this part of the limbus's, or where the median
# gray level beside it is less than this part of that of the outer iris: then it lies in a dark pupil.
_MIN_WHITE_PUPIL, _MIN_BESIDE_PUPIL = 0.2, 0.42
_MAX_FADE = 0.28  # of the way from the iris to white that the pixels beside the background may have gone
_MAX_DEVIATION = 0.15  # of the limbus as painted and as the network sees it, in its radii
_MIN_AREA, _MAX_SPECK = 200, 12  # pixels of an iris, and of a hole in it that is none
_MIN_PUPIL_FRACTION = 0.005  # of the iris's area: smaller flat patches inside it are no pupil


def segment_masked_image(
    image: Gray, background: Background, config: SegmentationConfig = SegmentationConfig()
) -> Segmentation:
    """The iris of a picture in which all around it is flat.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The picture.
    background : Background
        One of what `find_backgrounds` found in it.
    config : SegmentationConfig
        Settings of the segmentation.

    Returns
    -------
    Segmentation
        The background is in neither mask. Eyelids are None: their edges are not in the picture.

    Raises
    ------
    SegmentationError
        Where no iris is found, it shows no texture, or the picture is not flat all around the iris that was found.
    """
    if frames_rectangle(background):
        raise SegmentationError("no cut-out iris: a rectangle with a flat frame around it")
    flat = background.outside | background.holes
    edges, by_edges = boundaries_of_region(~flat), None
    if edges is not None and _is_cut_out(background, edges[1]) and _is_flat_inside(flat, edges[0]):
        mask = edges[1].mask(flat.shape) & ~edges[0].mask(flat.shape) & ~flat
        by_edges = Segmentation(*edges, None, None, mask, mask)
        if background.is_saturated and _is_reflection(image, *edges, mask):
            by_edges = None
        elif not background.is_saturated or _fade(image, background, mask) < _MAX_FADE:
            require_texture(image, *edges, mask, config)
            return by_edges
    filled = _filled(image, background)
    found = segment_eye(filled, config)
    # What an overexposed photograph leaves dark has a white frame as well: there the network has to see the same iris.
    if by_edges is not None and found.limbus.deviation(by_edges.limbus) < _MAX_DEVIATION * by_edges.limbus.mean_radius:
        require_texture(image, by_edges.pupil, by_edges.limbus, by_edges.usable, config)
        return by_edges
    if not _is_cut_out(background, found.limbus):
        raise SegmentationError("no cut-out iris: the picture is not flat all around the iris that was found")
    darker = np.median(filled[found.iris_mask]) - np.median(filled[found.pupil.mask(flat.shape)])
    if darker < _MIN_PUPIL_CONTRAST:
        raise SegmentationError("no cut-out iris: what would be the pupil is not darker than what is around it")
    return replace(
        found, upper_lid=None, lower_lid=None, iris_mask=found.iris_mask & ~flat, usable=found.usable & ~flat
    )


def segment_framed_eye(
    image: Gray, background: Background, config: SegmentationConfig = SegmentationConfig()
) -> Segmentation:
    """The iris of a photograph with flat bars, or a flat frame, around it: those are cropped away first.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The picture.
    background : Background
        One of what `find_backgrounds` found in it.
    config : SegmentationConfig
        Settings of the segmentation.

    Returns
    -------
    Segmentation
        In pixels of the whole picture.

    Raises
    ------
    SegmentationError
        Where no eye can be trusted, or the background begins right at the limbus: then the iris was cut out, and a
        segmentation that expects a sclera around it may be wrong.
    """
    rows, columns = np.flatnonzero(~background.outside.all(axis=1)), np.flatnonzero(~background.outside.all(axis=0))
    if not len(rows):
        raise SegmentationError("the whole picture is flat")
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    found = segment_eye(np.ascontiguousarray(image[top:bottom, left:right]), config)
    masks = np.zeros((2, *image.shape), np.bool_)
    masks[:, top:bottom, left:right] = found.iris_mask, found.usable
    crop = CropTransform(float(left), float(top))
    whole = Segmentation(
        pupil=crop.boundary_to_picture(found.pupil),
        limbus=crop.boundary_to_picture(found.limbus),
        upper_lid=found.upper_lid and crop.eyelid_to_picture(found.upper_lid),
        lower_lid=found.lower_lid and crop.eyelid_to_picture(found.lower_lid),
        iris_mask=masks[0],
        usable=masks[1],
        confidence=found.confidence,
    )
    around = whole.limbus.scaled(_AROUND).mask(image.shape) & ~whole.limbus.scaled(_OUTER).mask(image.shape)
    y, x = np.nonzero(around)
    right, down = x - whole.limbus.x, y - whole.limbus.y
    # Burnt-out skin covers an eye above and below; the sclera is beside it, unless the iris was cut out.
    sides = [background.outside[y[side], x[side]] for side in (right > np.abs(down), right < -np.abs(down))]
    around_is_flat = all(side.size and side.mean() > _MAX_AROUND_FRACTION for side in sides)
    if around_is_flat and not (background.is_saturated and _has_surroundings(background, whole.limbus)):
        raise SegmentationError("the iris is cut out, but its outline is no ring")
    return whole


def _has_surroundings(background: Background, limbus: Boundary) -> bool:
    """Whether there is more in the picture than an iris, such as the lashes in an overexposed photograph."""
    flat = background.outside | background.holes
    beyond = ~limbus.scaled(_SURROUNDINGS).mask(flat.shape)
    return bool(beyond.any() and 1 - flat[beyond].mean() > _MIN_SURROUNDINGS)


def boundaries_of_region(content: Bool) -> tuple[Boundary, Boundary] | None:
    """Pupil and limbus as circles or ellipses through the edges of the largest part of a region.

    Parameters
    ----------
    content : ndarray of bool, shape (H, W)
        The region: an iris, of which eyelids may have cut off parts.

    Returns
    -------
    pupil, limbus : Boundary
        The limbus holds the whole part, the pupil none of it. None in place of both where they do not fit.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(content.astype(np.uint8))
    if count < 2 or stats[1:, cv2.CC_STAT_AREA].max() < _MIN_AREA:
        return None
    iris = _without_specks(np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())))
    edge = region_edge(iris)
    rows, columns = np.nonzero(iris)
    middle = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
    extent = max(np.ptp(columns), np.ptp(rows)) + 1.0
    pixels = np.column_stack([columns, rows]).astype(float)[:: max(1, len(rows) // 400)]
    limbus = fit_circle(edge, middle, 0.3 * extent, (0.45 * extent, 0.7 * extent), inside=pixels)
    if limbus is None:
        return None
    centre, radius = np.array([limbus.x, limbus.y]), limbus.mean_radius
    inner = edge[np.hypot(*(edge - centre).T) < 0.9 * radius]
    pupil = fit_circle(inner, centre, 0.3 * radius, (0.1 * radius, 0.85 * radius), outside=pixels)
    return None if pupil is None else (pupil, limbus)


def _without_specks(region: Bool) -> Bool:
    """`region` with holes of a few pixels filled: an iris may hold the background's gray level by chance."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~region).astype(np.uint8))
    small = np.zeros(count, np.bool_)
    small[1:] = stats[1:, cv2.CC_STAT_AREA] <= _MAX_SPECK
    return np.asarray(region | small[labels])


def _fade(image: Gray, background: Background, iris: Bool) -> float:
    """How far the pixels of an iris beside the background are on the way to white: near 0 where the mask was painted.

    In an overexposed photograph the levels rise towards the part that is white.
    """
    beside = cv2.dilate(background.outside.view(np.uint8), np.ones((3, 3), np.uint8)).view(np.bool_) & iris
    if not beside.any():
        return 0.0
    level = float(np.median(image[iris]))
    return (float(np.median(image[beside])) - level) / max(255 - level, 1.0)


def _is_reflection(image: Gray, pupil: Boundary, limbus: Boundary, iris: Bool) -> bool:
    """Whether a white pupil is a specular reflection, on the real pupil or in what overexposure has left of it."""
    if pupil.mean_radius < _MIN_WHITE_PUPIL * limbus.mean_radius:
        return True
    beside = iris & pupil.scaled(1.7).mask(image.shape) & ~pupil.scaled(1.2).mask(image.shape)
    outer = iris & ~limbus.scaled(0.65).mask(image.shape)
    if not beside.any() or not outer.any():
        return False
    return bool(np.median(image[beside]) < _MIN_BESIDE_PUPIL * np.median(image[outer]))


def _is_flat_inside(flat: Bool, pupil: Boundary) -> bool:
    """Whether the pupil is painted over: a reflection of the background's level would not fill it."""
    inside = pupil.mask(flat.shape)
    return bool(inside.any() and flat[inside].mean() >= _MIN_PAINTED_PUPIL)


def _is_cut_out(background: Background, limbus: Boundary) -> bool:
    """Whether the picture is flat beyond `limbus`, and its content reaches up to `limbus` where no eyelid hides it."""
    beyond = ~limbus.scaled(_OUTER).mask(background.outside.shape)
    least = _MIN_SATURATED_OUTSIDE if background.is_saturated else _MIN_OUTSIDE_FRACTION
    if not beyond.any() or background.outside[beyond].mean() < least:
        return False
    angle = TAU * np.arange(_DIRECTIONS) / _DIRECTIONS
    inner, outer = (limbus.scaled(factor).points(angle) for factor in (_INNER, _OUTER))
    content = ~(_read(background.outside, inner) | _read(background.holes, inner))
    return bool((content & _read(background.outside, outer)).mean() >= _MIN_EDGE_FRACTION)


def _read(mask: Bool, points: Float) -> Bool:
    """`mask` (H, W) at the pixels nearest to `points` (N, 2); the nearest border pixel beyond the picture."""
    height, width = mask.shape
    x, y = np.rint(points).astype(int).T
    return np.asarray(mask[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)])


def _filled(image: Gray, background: Background) -> Gray:
    """`image` with a sclera-like gray outside, a dark pupil where the largest hole is, and no other holes."""
    content = ~(background.outside | background.holes)
    if not content.any():
        raise SegmentationError("no cut-out iris: the whole picture is flat")
    level = float(np.median(image[content]))
    filled = image.copy()
    filled[background.outside] = min(255, round(1.4 * level + 40))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(background.holes.astype(np.uint8), connectivity=4)
    if count > 1:
        areas = stats[1:, cv2.CC_STAT_AREA]
        largest = 1 + int(areas.argmax())
        filled[background.holes] = round(level)
        if areas.max() > _MIN_PUPIL_FRACTION * np.count_nonzero(content):
            filled[labels == largest] = round(0.25 * level)
    return filled
