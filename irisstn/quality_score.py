"""One overall quality score of an eye picture, 0..100, higher is better.

    score = 100 x a x t / (t + 2) x trust^4 x min(1, r / 40) x min(1, s / 7) x min(1, c / 30)

a is the usable iris area as a fraction, t the contrast of the iris's texture in gray levels, r the iris's radius in
pixels, s the sharpness and c the contrast of iris and pupil. The last three lower the score only where recognition
suffers (`irisstn.recognition.quality_doubts`). ISO/IEC 29794-6 leaves the combination of its figures open. The product
of all figures, each over the least recommended value, does not predict errors: it follows the margin around the iris.
These do: of the comparisons of one eye, those with the lowest scores fail most often; docs/method.md has the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

from irisstn.quality import Quality
from irisstn.results import Confidence

SCORE = "score"  # its name among the figures of a record
# Below them one of ten mated comparisons of rendered eyes or more falls below the threshold, in place of one of 100.
LEAST = {"usable_iris_area": 60.0, "iris_radius": 40.0, "sharpness": 7.0, "iris_pupil_contrast": 30.0}
_GUARDS = ("iris_radius", "sharpness", "iris_pupil_contrast")
_HALF_TEXTURE = 2.0  # gray levels at which the factor of the texture is one half
_DECIMALS = 4  # of the figures in a record
_TRUST_POWER = 4  # as trust varies little, 0.9 to 0.98 in most pictures


def quality_score(quality: Quality, confidence: Confidence | None) -> float | None:
    """The overall score of a picture.

    Parameters
    ----------
    quality : Quality
        Its figures.
    confidence : Confidence or None
        That of its segmentation.

    Returns
    -------
    float or None
        0..100, higher is better; None where texture or trust were not measured, as of irises that somebody cut out.
    """
    if confidence is None or confidence.texture is None:
        return None
    score = 100 * quality.usable_iris_area / 100 * min(max(confidence.trust, 0.0), 1.0) ** _TRUST_POWER
    score *= confidence.texture / (confidence.texture + _HALF_TEXTURE)
    for name in _GUARDS:
        score *= min(1.0, getattr(quality, name) / LEAST[name])
    return min(max(score, 0.0), 100.0)


def figures_with_score(quality: Quality, confidence: Confidence | None) -> dict[str, float]:
    """The figures of a picture by name, rounded, and `score` where there is one: `quality` of a record."""
    figures: Mapping[str, float] = quality.as_dict()
    score = quality_score(quality, confidence)
    held = {name: round(float(value), _DECIMALS) for name, value in figures.items()}
    return held if score is None else held | {SCORE: round(score, _DECIMALS)}
