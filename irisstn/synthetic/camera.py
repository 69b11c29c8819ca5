"""Cameras: size, illumination and typical variation of the pictures of several kinds of eye cameras."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Camera:
    """One kind of eye camera; each capture draws its values from these ranges (low, high).

    Attributes
    ----------
    name : str
        Name in `CAMERAS`.
    size : tuple of int
        (H, W) of the picture.
    iris_radius : Range
        Pixels.
    colour : bool
        Whether the picture is in colour (visible light); otherwise it is near infrared.
    pupil_ratio : Range
        Radius of the pupil as a fraction of that of the iris.
    roll_sd_deg, roll_limit_deg, gaze_sd_deg, gaze_limit_deg : float
        Standard deviation and limit of the head's roll and of the gaze.
    offset : Range
        Standard deviations of the iris centre from the middle of the picture in x and y, as fractions of its size.
    openness, lower : Range
        Height of the upper eyelid above, and of the lower eyelid below the iris centre, in iris radii.
    glints : tuple of str
        Possible patterns of specular reflections, see `irisstn.synthetic.capture.GLINT_PATTERNS`.
    glint_reach, glint_size : float, Range
        Spread of the reflections around the pupil's centre, and their radius, in iris radii.
    pupil_level, iris_level, sclera_level, skin_level, lash_level : Range
        Brightness, 0..1, before the sensor.
    contrast, mirrored : Range
        Contrast of the texture, and of the surroundings mirrored in the cornea.
    blur : Range
        Standard deviation of the defocus in pixels.
    motion_chance, jpeg_chance, glasses_chance, lens_chance : float
        Probabilities of motion blur, JPEG compression, glasses and contact lenses.
    noise : Range
        Standard deviation of the sensor noise, 0..1.
    """

    name: str
    size: tuple[int, int]
    iris_radius: Range
    colour: bool = False
    pupil_ratio: Range = (0.25, 0.6)
    roll_sd_deg: float = 2.0
    roll_limit_deg: float = 8.0
    gaze_sd_deg: float = 3.0
    gaze_limit_deg: float = 10.0
    offset: Range = (0.04, 0.05)
    openness: Range = (0.45, 1.0)
    lower: Range = (0.8, 1.05)
    glints: tuple[str, ...] = ("one", "two")
    glint_reach: float = 0.12
    glint_size: Range = (0.035, 0.06)
    pupil_level: Range = (0.03, 0.12)
    iris_level: Range = (0.32, 0.5)
    sclera_level: Range = (0.58, 0.76)
    skin_level: Range = (0.6, 0.85)
    lash_level: Range = (0.05, 0.2)
    contrast: Range = (0.08, 0.16)
    mirrored: Range = (0.0, 0.02)
    blur: Range = (0.5, 1.3)
    motion_chance: float = 0.1
    noise: Range = (0.006, 0.016)
    jpeg_chance: float = 0.3
    glasses_chance: float = 0.0
    lens_chance: float = 0.04


_ALL = (
    Camera(
        "ring-320x280",
        (280, 320),
        (90, 117),
        pupil_ratio=(0.27, 0.53),
        roll_sd_deg=1.8,
        openness=(0.66, 1.06),
        lower=(0.8, 0.96),
        glints=("ring",),
        glint_reach=0.07,
        gaze_sd_deg=1.5,
        pupil_level=(0.11, 0.19),
        iris_level=(0.53, 0.65),
        sclera_level=(0.68, 0.8),
        skin_level=(0.85, 1.15),
        lash_level=(0.2, 0.36),
        contrast=(0.08, 0.115),
        blur=(0.4, 0.9),
        noise=(0.006, 0.013),
        jpeg_chance=0.6,
    ),
    Camera(
        "close-320x240",
        (240, 320),
        (85, 112),
        pupil_ratio=(0.28, 0.6),
        openness=(0.6, 1.15),
        lower=(0.8, 1.1),
        glints=("one",),
        glint_size=(0.03, 0.05),
        pupil_level=(0.0, 0.05),
        iris_level=(0.28, 0.42),
        sclera_level=(0.55, 0.75),
        skin_level=(0.65, 0.95),
        lash_level=(0.0, 0.06),
        contrast=(0.13, 0.24),
        blur=(0.3, 0.8),
        noise=(0.01, 0.022),
        jpeg_chance=0.1,
    ),
    Camera(
        "small-320x240",
        (240, 320),
        (44, 62),
        roll_sd_deg=3.0,
        offset=(0.1, 0.1),
        openness=(0.4, 1.1),
        glints=("one", "two", "edge"),
        glint_size=(0.04, 0.08),
        blur=(0.5, 1.0),
        lash_level=(0.03, 0.15),
    ),
    Camera(
        "vga-640x480",
        (480, 640),
        (90, 140),
        offset=(0.08, 0.08),
        glints=("one", "two", "edge", "ring"),
        pupil_level=(0.05, 0.15),
        iris_level=(0.33, 0.55),
        skin_level=(0.7, 1.1),
        blur=(0.6, 1.6),
        glasses_chance=0.05,
    ),
    Camera(
        "far-640x480",
        (480, 640),
        (40, 80),
        roll_sd_deg=4.0,
        roll_limit_deg=15.0,
        offset=(0.15, 0.12),
        glints=("one", "two", "edge"),
        glint_size=(0.05, 0.1),
        blur=(0.7, 1.5),
        noise=(0.008, 0.025),
        glasses_chance=0.25,
    ),
    Camera(
        "tilted-640x480",
        (480, 640),
        (60, 110),
        roll_sd_deg=12.0,
        roll_limit_deg=30.0,
        offset=(0.1, 0.08),
        glints=("one", "two", "four"),
        blur=(0.6, 1.4),
    ),
    Camera(
        "gaze-640x480",
        (480, 640),
        (70, 120),
        gaze_sd_deg=16.0,
        gaze_limit_deg=35.0,
        offset=(0.12, 0.08),
        openness=(0.5, 1.2),
        glints=("one", "two", "edge", "four"),
        glint_reach=0.3,
        blur=(0.6, 1.5),
    ),
    Camera(
        "hd-1024x768",
        (768, 1024),
        (110, 200),
        offset=(0.1, 0.1),
        glints=("two", "four", "ring", "edge"),
        glint_size=(0.02, 0.05),
        contrast=(0.1, 0.2),
        blur=(0.7, 2.0),
        noise=(0.006, 0.02),
    ),
    Camera(
        "mobile-visible-640x480",
        (480, 640),
        (60, 120),
        colour=True,
        pupil_ratio=(0.2, 0.5),
        roll_sd_deg=4.0,
        roll_limit_deg=15.0,
        offset=(0.1, 0.1),
        glints=("one", "window", "edge"),
        glint_reach=0.35,
        glint_size=(0.05, 0.1),
        pupil_level=(0.02, 0.08),
        iris_level=(0.7, 1.2),
        sclera_level=(0.6, 0.85),
        skin_level=(0.65, 1.0),
        lash_level=(0.02, 0.1),
        contrast=(0.18, 0.32),
        mirrored=(0.0, 0.1),
        blur=(0.6, 1.6),
        noise=(0.008, 0.03),
        jpeg_chance=0.8,
        glasses_chance=0.05,
    ),
)
CAMERAS: dict[str, Camera] = {camera.name: camera for camera in _ALL}
