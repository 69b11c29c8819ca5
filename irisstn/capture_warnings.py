"""Warnings about a picture that was segmented: what may make its strip poor although no stage failed."""

from __future__ import annotations

import numpy as np

from irisstn.geometry import Gray
from irisstn.quality import Quality
from irisstn.results import Segmentation

CUT_OFF = "the iris reaches the edge of the picture: part of it may be missing"
CLIPPED = "more than 5 % of the iris is black or white: its texture is lost there"
UNSURE = "trust below 0.85: the picture may show no eye, or the boundaries may be wrong"
_LEAST_TRUST = 0.85  # 0.90 is the least of 260 pictures of two near-infrared cameras; pictures of no eye reach 0.81
_LEAST_MARGIN = 5.0  # of the margin adequacy, 0..100
_MOST_CLIPPED = 0.05  # of the iris; 0.002 is the most in pictures of two near-infrared cameras


def clipped_fraction(image: Gray, segmentation: Segmentation) -> float:
    """The fraction of the iris between the eyelids whose gray level is 0 or 255.

    A sensor or a conversion to 8 bits has clipped these pixels, so they hold no texture. Specular reflections are
    among them.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The picture.
    segmentation : Segmentation
        Its segmentation.

    Returns
    -------
    float
        0..1; 0 where no iris is visible.
    """
    levels = image[segmentation.iris_mask]
    return float(np.mean((levels == 0) | (levels == 255))) if levels.size else 0.0


def capture_warnings(quality: Quality, clipped: float, trust: float | None = None) -> list[str]:
    """What may make the strip of a picture poor.

    Parameters
    ----------
    quality : Quality
        The picture's measures.
    clipped : float
        Its `clipped_fraction`.
    trust : float or None
        The trust in its segmentation, 0..1, where it was estimated.

    Returns
    -------
    list of str
        One sentence for each reason, the same for every picture, so that they can be counted.
    """
    found = {
        UNSURE: trust is not None and trust < _LEAST_TRUST,
        CUT_OFF: quality.margin_adequacy < _LEAST_MARGIN,
        CLIPPED: clipped > _MOST_CLIPPED,
    }
    return [sentence for sentence, applies in found.items() if applies]
