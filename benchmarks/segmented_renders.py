"""Rendered eyes with what segmentation finds on them."""

from __future__ import annotations

import numpy as np

from irisstn.errors import SegmentationError
from irisstn.images import to_gray
from irisstn.results import Confidence, Segmentation
from irisstn.segmentation import segment
from irisstn.synthetic import CAMERAS, Capture, Identity, RenderedEye, render, sample_capture


def segmented_render(
    camera: str, identity: int, seed: tuple[int, int]
) -> tuple[Capture, RenderedEye, Segmentation, Confidence] | None:
    """Render an eye and segment it.

    Parameters
    ----------
    camera : str
        Name in `irisstn.synthetic.CAMERAS`.
    identity : int
        Seed of the identity.
    seed : tuple of int
        Seed of the capture.

    Returns
    -------
    tuple or None
        The capture, the eye with its truth, and the segmentation with its confidence; None where it is refused.
    """
    capture = sample_capture(np.random.default_rng(seed), CAMERAS[camera])
    eye = render(Identity.from_seed(identity), capture)
    try:
        found = segment(to_gray(eye.image))
    except SegmentationError:
        return None
    return None if found.confidence is None else (capture, eye, found, found.confidence)
