"""One eye: its iris texture and the anatomy around it, generated from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from irisstn.geometry import Float
from irisstn.synthetic.noise import TEXTURE_SIZE
from irisstn.synthetic.texture import TextureTraits, paint_texture, sample_traits

# Brown, hazel, green, gray-blue, blue: the outer zone's (B, G, R) reflectance in visible light, and how often.
_IRIS_COLOURS = np.array(
    [[0.09, 0.13, 0.2], [0.14, 0.24, 0.34], [0.24, 0.36, 0.33], [0.43, 0.41, 0.38], [0.5, 0.42, 0.33]]
)
_SKIN_COLOURS = np.array([[0.6, 0.7, 0.92], [0.45, 0.56, 0.8], [0.27, 0.37, 0.58], [0.14, 0.2, 0.34]])


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The shape and brightness of an eye and its surroundings, with an upright head. Lengths are in iris radii.

    Attributes
    ----------
    pupil_x, pupil_y : float
        Centre of the pupil relative to that of the iris.
    limbus, pupil : tuple
        Fourier coefficients (cosines, sines) of the boundary from order 2 on, relative to its radius.
    tissue_strength : float
        How much the non-linear stretch of the tissue grows with the pupil's ratio.
    eyelid_upper_curve, eyelid_upper_offset, eyelid_upper_slope : float
        Coefficients of the parabola of the upper eyelid; their distribution follows hand-marked eyelids of 188 eyes.
    eyelid_lower_curve, eyelid_lower_offset, eyelid_lower_slope : float
        The same of the lower eyelid.
    crease, crease_depth : float
        Height and contrast of the fold of the upper eyelid.
    lash_density, lash_length, lash_droop, lash_width, lower_lash_density : float
        Eyelashes.
    brow_height, brow_density : float
        Eyebrow.
    iris_gain, texture_gain, sclera_gain, skin_gain : float
        Factors of the brightness of the iris, its texture, the sclera and the skin.
    skin_roughness : float
        Contrast of the skin's grain.
    limbus_softness : float
        Width of the transition from iris to sclera.
    nasal_side : int
        -1 where the nose is on the left of the picture, 1 where it is on the right.
    iris_colour, inner_colour, skin_colour : tuple of float
        (B, G, R) reflectance in visible light of the iris's outer and inner zone and of the skin, 0..1.
    """

    pupil_x: float
    pupil_y: float
    limbus: tuple[tuple[float, ...], tuple[float, ...]]
    pupil: tuple[tuple[float, ...], tuple[float, ...]]
    tissue_strength: float
    eyelid_upper_curve: float
    eyelid_lower_curve: float
    eyelid_upper_offset: float
    eyelid_lower_offset: float
    eyelid_upper_slope: float
    eyelid_lower_slope: float
    crease: float
    crease_depth: float
    lash_density: float
    lash_length: float
    lash_droop: float
    lash_width: float
    lower_lash_density: float
    brow_height: float
    brow_density: float
    iris_gain: float
    texture_gain: float
    sclera_gain: float
    skin_gain: float
    skin_roughness: float
    limbus_softness: float
    nasal_side: int
    iris_colour: tuple[float, float, float]
    inner_colour: tuple[float, float, float]
    skin_colour: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """One eye of a rendered subject.

    Attributes
    ----------
    seed : int
        The seed from which it was generated.
    traits : TextureTraits
        The kind of texture.
    anatomy : Anatomy
        The shape and brightness of the eye.
    texture : ndarray of float32, shape (128, 1024)
        Brightness of the tissue at rest, see `irisstn.synthetic.texture`. Read-only.
    """

    seed: int
    traits: TextureTraits
    anatomy: Anatomy
    texture: Float

    @classmethod
    def from_seed(cls, seed: int) -> Self:
        """Generate the eye of a seed.

        Parameters
        ----------
        seed : int
            At least 0. Even seeds give left eyes, odd ones right eyes.

        Returns
        -------
        Identity
            The same for the same seed.

        Raises
        ------
        ValueError
            For a negative seed.
        """
        if seed < 0:
            raise ValueError(f"a seed must not be negative, got {seed}")
        rng = np.random.default_rng([seed, 0x1215])
        traits = sample_traits(rng)
        anatomy = _sample_anatomy(rng, nasal=-1 if seed % 2 == 0 else 1)
        texture = paint_texture(rng, traits)
        if texture.shape != TEXTURE_SIZE:
            raise ValueError(f"a texture must be {TEXTURE_SIZE}, got {texture.shape}")
        texture.flags.writeable = False
        return cls(seed, traits, anatomy, texture)


def _sample_anatomy(rng: np.random.Generator, nasal: int) -> Anatomy:
    round_pupil = rng.uniform(0.3, 1.3)
    outer = _IRIS_COLOURS[rng.choice(5, p=[0.45, 0.17, 0.1, 0.13, 0.15])]
    outer = outer * rng.uniform(0.7, 1.25) * rng.uniform(0.93, 1.07, 3)
    inner = outer * rng.uniform(0.8, 1.1) + rng.uniform(0, 0.6) * (np.array([0.12, 0.24, 0.38]) - outer)
    skin = _SKIN_COLOURS[rng.choice(4, p=[0.4, 0.3, 0.2, 0.1])] * rng.uniform(0.85, 1.1) * rng.uniform(0.96, 1.04, 3)
    return Anatomy(
        pupil_x=float(0.026 * nasal + rng.normal(0, 0.018)),
        pupil_y=float(rng.normal(-0.015, 0.025)),
        limbus=_wobble(rng, (0.012, 0.005, 0.003)),
        pupil=_wobble(rng, tuple(round_pupil * k for k in (0.014, 0.006, 0.004, 0.003, 0.002))),
        tissue_strength=float(rng.uniform(0.3, 1.1)),
        eyelid_upper_curve=float(np.clip(rng.normal(0.21, 0.033), 0.12, 0.3)),
        eyelid_lower_curve=float(np.clip(rng.normal(0.164, 0.028), 0.08, 0.24)),
        eyelid_upper_offset=float(rng.normal(0, 0.12)),
        eyelid_lower_offset=float(rng.normal(0, 0.08)),
        eyelid_upper_slope=float(rng.normal(-0.02 - 0.044 * nasal, 0.075)),
        eyelid_lower_slope=float(rng.normal(0.08 * nasal, 0.075)),
        crease=float(rng.uniform(0.3, 0.8)),
        crease_depth=float(rng.uniform(0.0, 1.0)),
        lash_density=float(rng.uniform(0.4, 2.0)),
        lash_length=float(rng.uniform(0.32, 0.72)),
        lash_droop=float(rng.normal(0.42, 0.42)),
        lash_width=float(rng.uniform(0.7, 1.3)),
        lower_lash_density=float(rng.uniform(0.2, 1.2)),
        brow_height=float(rng.uniform(1.9, 2.9)),
        brow_density=float(rng.uniform(0.3, 1.0)),
        iris_gain=float(rng.uniform(0.87, 1.13)),
        texture_gain=float(rng.uniform(0.75, 1.4)),
        sclera_gain=float(rng.uniform(0.93, 1.07)),
        skin_gain=float(rng.uniform(0.85, 1.1)),
        skin_roughness=float(rng.uniform(0.4, 1.5)),
        limbus_softness=float(rng.uniform(0.035, 0.11)),
        nasal_side=nasal,
        iris_colour=_triple(outer),
        inner_colour=_triple(inner),
        skin_colour=_triple(skin),
    )


def _wobble(rng: np.random.Generator, spread: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    cosines, sines = rng.normal(0, spread, (2, len(spread))).clip(-0.03, 0.03)
    return tuple(cosines.tolist()), tuple(sines.tolist())


def _triple(colour: Float) -> tuple[float, float, float]:
    blue, green, red = np.clip(colour, 0.02, 0.98).tolist()
    return blue, green, red
