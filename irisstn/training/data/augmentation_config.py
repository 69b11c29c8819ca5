"""Settings of the augmentation; they can be read without torch."""

from __future__ import annotations

from pydantic import Field

from irisstn.config import Strict


class AugmentationConfig(Strict):
    """How often each change is applied to a strip. With zeros throughout strips stay as they are."""

    blur: float = Field(0.2, ge=0, le=1, description="Probability of Gaussian blur or of a lower resolution.")
    noise: float = Field(0.3, ge=0, le=1, description="Probability of Gaussian noise.")
    brightness_contrast: float = Field(
        0.6, ge=0, le=1, description="Probability of another brightness and contrast, or another gamma."
    )
    unmasked_spots: float = Field(
        0.3, ge=0, le=1, description="Probability of dark or bright spots that the mask marks as usable."
    )
    masked_gaps: float = Field(
        0.4, ge=0, le=1, description="Probability of a region marked as not usable, from the limbus inward."
    )
    random_filters: float = Field(
        0.0, ge=0, le=1, description="Probability of a small random linear filter, so that texture statistics vary."
    )
    spectra: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Probability of other gains of the octaves along the angle and another contrast: cameras differ in "
        "both.",
    )
    mirrored: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Fraction of the identities that are mirrored, which makes other eyes; without an STN only.",
    )
    combined_masks: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Fraction of the strips of a batch whose mask is intersected with that of another strip.",
    )
    uneven_light: float = Field(
        0.5, ge=0, le=1, description="Probability of smoothly varying light on the surroundings in the STN's context."
    )
    surroundings_hidden: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Probability that the gray values around the ring are removed from the STN's context; the eyelids' "
        "boundaries remain.",
    )
