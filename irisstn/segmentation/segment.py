"""One eye picture to its iris ring: the stages in their order."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.errors import SegmentationError
from irisstn.geometry import Bool, Boundary, Eyelid
from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.eyelids import find_lids
from irisstn.segmentation.limbus import find_limbus, fit_limbus, refine_limbus
from irisstn.segmentation.locate import locate_eye
from irisstn.segmentation.noise import find_glints
from irisstn.segmentation.pupil import find_pupil, fit_pupil
from irisstn.segmentation.result import Segmentation
from irisstn.segmentation.view import View

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
    eyes = locate_eye(small.image, candidates=config.candidates)
    if not eyes or eyes[0].score < config.min_score:
        raise SegmentationError("no pupil and iris ring in the picture")
    calm = cv2.GaussianBlur(small.image, (0, 0), 1.0)
    best = None
    for eye in eyes[:3]:
        px, py, rp, sp = find_pupil(calm, eye.x, eye.y, eye.pupil_radius)
        x, y, radius, sl = find_limbus(calm, px, py, rp)
        score = sp * sl
        if best is None or score > best[0]:
            best = score, small.boundary(Boundary.circle(px, py, rp)), small.boundary(Boundary.circle(x, y, radius))
    _, pupil, limbus = best

    radius = pupil.mean_radius
    view = View.around(image, pupil.x, pupil.y, 1.7 * radius + 8, max(1.0, radius / (0.5 * config.working_radius)))
    glints = find_glints(view.image, 2.5 * radius / view.factor)
    pupil = view.boundary(fit_pupil(view.image, glints, view.from_picture(pupil)))

    x, y, radius = limbus.x, limbus.y, limbus.mean_radius
    view = View.around(image, x, y, 1.7 * radius, max(1.0, radius / config.working_radius))
    glints = find_glints(view.image, radius / view.factor)
    pupil = view.from_picture(pupil)
    limbus = fit_limbus(view.image, glints, pupil, view.from_picture(limbus))
    upper, lower = find_lids(view.image, glints, pupil, limbus)
    limbus = refine_limbus(view.image, glints, pupil, limbus, (upper, lower))
    upper, lower = find_lids(view.image, glints, pupil, limbus)
    limbus = refine_limbus(view.image, glints, pupil, limbus, (upper, lower))

    pupil, limbus = view.boundary(pupil), view.boundary(limbus)
    upper = view.eyelid(upper) if upper is not None else None
    lower = view.eyelid(lower) if lower is not None else None
    iris = _iris_mask(pupil, limbus, upper, lower, image.shape)
    usable = iris & ~find_glints(image, limbus.mean_radius)
    return Segmentation(pupil, limbus, upper, lower, iris, usable)


def _iris_mask(
    pupil: Boundary, limbus: Boundary, upper: Eyelid | None, lower: Eyelid | None, image_size: tuple[int, ...]
) -> Bool:
    size = (image_size[0], image_size[1])
    mask = limbus.mask(size) & ~pupil.mask(size)
    if upper is not None:
        mask &= ~upper.above(size)
    if lower is not None:
        mask &= lower.above(size)
    return mask
