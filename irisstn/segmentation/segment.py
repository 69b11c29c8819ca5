"""One eye picture to its iris ring: the stages in their order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from irisstn.errors import SegmentationError
from irisstn.geometry import Bool, Boundary, Eyelid
from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.eyelids import find_lids
from irisstn.segmentation.limbus import find_limbus
from irisstn.segmentation.locate import locate_eye
from irisstn.segmentation.noise import find_glints
from irisstn.segmentation.pupil import find_pupil
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
    eyes = locate_eye(image, rows=config.search_rows, candidates=config.candidates)
    if not eyes or eyes[0].score < config.min_score:
        raise SegmentationError("no pupil and iris ring in the picture")
    eye = eyes[0]

    factor = max(1.0, eye.iris_radius / config.working_radius)
    view = View.around(image, eye.x, eye.y, 1.7 * eye.iris_radius, factor)
    x, y = view.to_view(eye.x, eye.y)
    glints = find_glints(view.image, eye.iris_radius / view.factor)
    pupil = find_pupil(view.image, glints, x, y, eye.pupil_radius / view.factor)
    limbus = find_limbus(view.image, glints, pupil, eye.iris_radius / view.factor)
    upper, lower = find_lids(view.image, glints, pupil, limbus)

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
