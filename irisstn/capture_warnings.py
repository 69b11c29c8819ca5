"""Warnings about a picture that was segmented: what may make its strip poor although no stage failed."""

from __future__ import annotations

import numpy as np

from irisstn.geometry import TAU, Gray, ring_places
from irisstn.results import Segmentation

CUT_OFF = "more than 5 % of the iris ring lies outside the picture"
CLIPPED = "more than 5 % of the iris is black or white: its texture is lost there"
UNSURE = "trust below 0.85: the picture may show no eye, or the boundaries may be wrong"
TURNED = "taken for a camera on its side, and which eyelid is the upper one was guessed: --turned 90 or 270 says it"
_RADII, _ANGLES = np.linspace(0, 1, 17), TAU * np.arange(128) / 128
_LEAST_TRUST = 0.85  # 0.85 is the least of 3757 pictures of four near-infrared sets; in visible light a third has less
_MOST_OUTSIDE = 0.05  # of the ring; in a tightly framed set a margin of 0 is usual, and so much outside is not
_MOST_CLIPPED = 0.05  # of the iris; 1 of 310 pictures of four cameras has more


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
    iris = np.count_nonzero(segmentation.iris_mask)
    clipped = image + np.uint8(1) < 2  # 255 + 1 is 0 in 8 bits
    return np.count_nonzero(clipped & segmentation.iris_mask) / iris if iris else 0.0


def outside_fraction(segmentation: Segmentation) -> float:
    """The fraction of the ring between pupil and limbus, eyelids left aside, that lies outside the picture.

    Parameters
    ----------
    segmentation : Segmentation
        The segmentation of the picture.

    Returns
    -------
    float
        0..1.
    """
    height, width = segmentation.image_size
    points = np.concatenate([curve.even_points(len(_ANGLES)) for curve in (segmentation.pupil, segmentation.limbus)])
    if points.min() >= -0.5 and (points.max(axis=0) <= (width - 0.5, height - 0.5)).all():
        return 0.0  # the ring's cells lie on lines between the two boundaries
    x, y = ring_places(segmentation.pupil, segmentation.limbus, _RADII[:, None], _ANGLES[None])
    outside = (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)
    if not outside.any():
        return 0.0
    share = np.hypot(x - segmentation.pupil.x, y - segmentation.pupil.y)  # a cell's area grows with its radius
    return float((share * outside).sum() / share.sum())


def capture_warnings(segmentation: Segmentation, clipped: float) -> list[str]:
    """What may make the strip of a picture poor.

    Parameters
    ----------
    segmentation : Segmentation
        Its segmentation.
    clipped : float
        Its `clipped_fraction`.

    Returns
    -------
    list of str
        One sentence for each reason, the same for every picture, so that they can be counted.
    """
    confidence = segmentation.confidence
    found = {
        UNSURE: confidence is not None and confidence.trust < _LEAST_TRUST,
        TURNED: confidence is not None and confidence.turn_guessed,
        CUT_OFF: outside_fraction(segmentation) > _MOST_OUTSIDE,
        CLIPPED: clipped > _MOST_CLIPPED,
    }
    return [sentence for sentence, applies in found.items() if applies]
