"""One capture: all that varies between two pictures of the same eye."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from irisstn.synthetic.camera import Camera, Range

# Positions (x, y) of the lamps' reflections on the cornea, in units of the pattern's spread.
GLINT_PATTERNS: dict[str, tuple[tuple[float, float], ...]] = {
    "one": ((0.0, 0.0),),
    "edge": ((0.0, 0.0),),
    "two": ((-1.0, 0.0), (1.0, 0.0)),
    "four": ((-1.0, -0.7), (1.0, -0.7), (-1.0, 0.7), (1.0, 0.7)),
    "ring": tuple((float(np.cos(a)), float(np.sin(a))) for a in np.pi * (np.arange(8) + 0.5) / 4),
    "window": ((0.0, 0.0),),
}


@dataclass(frozen=True, slots=True)
class Capture:
    """All parameters of a picture except the eye itself. Lengths without a unit are in iris radii.

    Attributes
    ----------
    camera : Camera
        The camera.
    seed : int
        Seed of all that is random in the picture.
    x, y, iris_radius_px : float
        Centre and radius of the iris in pixels.
    roll_rad, torsion_rad : float
        Clockwise rotation of the head, eyelids included, and additional rotation of the eyeball.
    pupil_ratio : float
        Radius of the pupil as a fraction of that of the iris, 0.1..0.8.
    stretch_jitter : float
        Added to the non-linear stretch of the tissue.
    tissue_warp : float
        Standard deviation of small uneven shifts of the tissue.
    relief, relief_rad : float
        Strength and direction of the light that shades the folds of the tissue.
    mirrored : float
        Contrast of the surroundings mirrored in the cornea.
    gaze_x_rad, gaze_y_rad : float
        Direction of the gaze: the iris becomes an ellipse and moves between the eyelids.
    upper_lid, lower_lid : float
        Height of the eyelids above and below the iris centre, for an eye of average anatomy.
    upper_slope, lower_slope : float
        Slopes of the eyelids in addition to those of the anatomy.
    lash_droop : float
        Added to the droop of the eyelashes.
    glints : str
        Pattern of the specular reflections, a key of `GLINT_PATTERNS`.
    glint_x, glint_y, glint_spread, glint_size, glint_ghosts : float
        Position relative to the pupil, spread and radius of the reflections; brightness of secondary reflections.
    tear_glints : int
        Number of reflections on the tear film.
    pupil_level, iris_level, sclera_level, skin_level, lash_level, contrast : float
        Brightness, 0..1, before the sensor, and contrast of the texture.
    light_x, light_y, vignette, lid_shadow : float
        Gradients of the illumination, its decrease towards the corners, and the shadow of the eyelids.
    blur_px, motion_px, motion_rad : float
        Standard deviation of the defocus; length and direction of the motion blur.
    noise : float
        Standard deviation of the sensor noise, 0..1.
    jpeg_quality : int
        1..100, or 0 for no compression.
    glasses, contact_lens : bool
        Whether the eye has them.

    Raises
    ------
    ValueError
        For an impossible pupil ratio, pattern, radius or gaze.
    """

    camera: Camera
    seed: int
    x: float
    y: float
    iris_radius_px: float
    roll_rad: float
    torsion_rad: float
    pupil_ratio: float
    stretch_jitter: float
    tissue_warp: float
    relief: float
    relief_rad: float
    mirrored: float
    gaze_x_rad: float
    gaze_y_rad: float
    upper_lid: float
    lower_lid: float
    upper_slope: float
    lower_slope: float
    lash_droop: float
    glints: str
    glint_x: float
    glint_y: float
    glint_spread: float
    glint_size: float
    glint_ghosts: float
    tear_glints: int
    pupil_level: float
    iris_level: float
    sclera_level: float
    skin_level: float
    lash_level: float
    contrast: float
    light_x: float
    light_y: float
    vignette: float
    lid_shadow: float
    blur_px: float
    motion_px: float
    motion_rad: float
    noise: float
    jpeg_quality: int
    glasses: bool
    contact_lens: bool

    def __post_init__(self) -> None:
        if not 0.1 <= self.pupil_ratio <= 0.8:
            raise ValueError(f"pupil_ratio must lie in 0.1..0.8, got {self.pupil_ratio}")
        if self.glints not in GLINT_PATTERNS:
            raise ValueError(f"glints must be one of {sorted(GLINT_PATTERNS)}, got {self.glints!r}")
        if self.iris_radius_px < 8:
            raise ValueError(f"an iris needs a radius of at least 8 pixels, got {self.iris_radius_px}")
        if max(abs(self.gaze_x_rad), abs(self.gaze_y_rad)) > 0.9:
            raise ValueError("a gaze must stay within 0.9 rad of the camera")


def sample_capture(rng: np.random.Generator, camera: Camera) -> Capture:
    """Draw a random capture: most are good, some have low eyelids, blur or uneven illumination.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness.
    camera : Camera
        The camera.

    Returns
    -------
    Capture
        A capture within the ranges of the camera.
    """
    height, width = camera.size
    radius = _within(rng, camera.iris_radius)
    x, y = (0.5 * width, 0.5 * height) + rng.normal(0, camera.offset) * (width, height)
    # At least 97 % of the iris radius stays in the picture on each side.
    margin = 0.97 * radius
    x, y = _keep(x, margin, width), _keep(y, margin, height)
    glints = str(rng.choice(camera.glints))
    ratio = float(camera.pupil_ratio[0] + (camera.pupil_ratio[1] - camera.pupil_ratio[0]) * rng.beta(2.2, 2.2))
    reach = camera.glint_reach
    glint_x, glint_y = rng.normal(0, 0.45 * reach, 2)
    if glints == "edge":
        angle = rng.uniform(0, 2 * np.pi)
        glint_x, glint_y = ratio * rng.uniform(0.85, 1.15) * np.array([np.cos(angle), np.sin(angle)])
    spread, glint_size = rng.uniform(0.08, 0.3), _within(rng, camera.glint_size)
    if glints == "ring":
        spread = rng.uniform(0.15, 0.2)
        glint_size = rng.uniform(0.16, 0.25) * spread
    brightness = rng.normal(1.0, 0.07)
    return Capture(
        camera=camera,
        seed=int(rng.integers(2**31)),
        x=x,
        y=y,
        iris_radius_px=radius,
        roll_rad=_angle(rng, camera.roll_sd_deg, camera.roll_limit_deg),
        torsion_rad=_angle(rng, 0.8, 2.4),
        pupil_ratio=ratio,
        stretch_jitter=float(rng.normal(0, 0.02)),
        tissue_warp=float(min(0.003 + rng.gamma(2.0, 0.006), 0.04)),
        relief=float(rng.uniform(0.0, 1.6)),
        relief_rad=float(rng.uniform(0, 2 * np.pi)),
        mirrored=_within(rng, camera.mirrored),
        gaze_x_rad=_angle(rng, camera.gaze_sd_deg, camera.gaze_limit_deg),
        gaze_y_rad=_angle(rng, 0.6 * camera.gaze_sd_deg, camera.gaze_limit_deg),
        upper_lid=float(camera.openness[0] + (camera.openness[1] - camera.openness[0]) * rng.beta(2.6, 1.6)),
        lower_lid=_within(rng, camera.lower),
        upper_slope=float(rng.normal(0, 0.014)),
        lower_slope=float(rng.normal(0, 0.014)),
        lash_droop=float(rng.normal(0, 0.12)),
        glints=glints,
        glint_x=float(glint_x),
        glint_y=float(glint_y),
        glint_spread=float(spread),
        glint_size=float(glint_size),
        glint_ghosts=float(rng.uniform(0, 0.25)) if glints == "ring" else 0.0,
        tear_glints=int(rng.integers(0, 9)),
        pupil_level=_within(rng, camera.pupil_level) * brightness,
        iris_level=_within(rng, camera.iris_level) * brightness,
        sclera_level=_within(rng, camera.sclera_level) * brightness,
        skin_level=_within(rng, camera.skin_level) * brightness,
        lash_level=_within(rng, camera.lash_level),
        contrast=_within(rng, camera.contrast),
        light_x=float(rng.normal(0, 0.12)),
        light_y=float(rng.normal(0, 0.08)),
        vignette=float(rng.uniform(0, 0.25)),
        lid_shadow=float(rng.uniform(0.1, 0.5)),
        blur_px=float(camera.blur[0] + (camera.blur[1] - camera.blur[0]) * rng.beta(1.2, 2.5)),
        motion_px=float(rng.uniform(2, 6)) * radius / 100 if rng.random() < camera.motion_chance else 0.0,
        motion_rad=float(rng.uniform(0, np.pi)),
        noise=_within(rng, camera.noise),
        jpeg_quality=int(rng.integers(60, 97)) if rng.random() < camera.jpeg_chance else 0,
        glasses=bool(rng.random() < camera.glasses_chance),
        contact_lens=bool(rng.random() < camera.lens_chance),
    )


def _within(rng: np.random.Generator, limits: Range) -> float:
    return float(rng.uniform(*limits))


def _keep(position: float, margin: float, size: int) -> float:
    """`position` clamped to at least `margin` pixels from either side of a picture of `size` pixels."""
    if size < 2 * margin:
        return size / 2 - 0.5
    return float(min(max(position, margin), size - 1 - margin))


def _angle(rng: np.random.Generator, spread_deg: float, limit_deg: float) -> float:
    return float(np.deg2rad(np.clip(rng.normal(0, spread_deg), -limit_deg, limit_deg)))
