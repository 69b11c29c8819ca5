"""Rendered cameras that the training of the segmenter never drew, and captures by them.

The training (`irisstn.training.segmenter.scenes`) draws from the nine cameras of `irisstn.synthetic.CAMERAS` and from
wider ranges of them: irises of 22 to 225 pixels, gaze up to 35 degrees in x with a normal distribution, noise up to
0.035, blur up to 3.5 pixels, JPEG from quality 60 on, pupils from 0.12 of the iris, gradients of the light of 0.12. The
cameras here have other sizes, and each lies outside these ranges in at least one setting, which its comment names. Of
what happens between lens and file (`_SENSORS`), the tone curves, the rows of an interlaced sensor, the noise of rows
and the cast of visible light were never rendered in training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from irisstn.geometry import TAU, Float, Float32
from irisstn.images import to_gray
from irisstn.synthetic import Camera, Capture, Identity, RenderedEye, render, sample_capture
from irisstn.synthetic.render import Image

_MOST_GAZE_DEG = 45.0
_CAMERAS = (
    # Gaze 0 to 45 degrees, uniform, in every direction.
    Camera(
        "held-out-gaze-45",
        (450, 600),
        (75, 110),
        offset=(0.06, 0.05),
        openness=(0.6, 1.15),
        glints=("two", "four"),
        glint_reach=0.3,
        blur=(0.6, 1.6),
    ),
    # Irises of 14 to 21 pixels.
    Camera(
        "held-out-tiny",
        (120, 160),
        (14, 21),
        offset=(0.08, 0.08),
        glints=("one", "two"),
        glint_size=(0.06, 0.1),
        blur=(0.3, 0.6),
        contrast=(0.1, 0.2),
    ),
    # Irises of 230 to 300 pixels, blurred by 4 to 7 pixels.
    Camera(
        "held-out-large",
        (720, 960),
        (230, 300),
        offset=(0.04, 0.03),
        glints=("ring", "four"),
        glint_size=(0.02, 0.04),
        contrast=(0.1, 0.2),
        blur=(4.0, 7.0),
    ),
    # Noise of 0.04 to 0.07 and of whole rows, light from one side, few gray levels.
    Camera(
        "held-out-night",
        (360, 480),
        (65, 100),
        offset=(0.1, 0.08),
        glints=("one", "edge"),
        noise=(0.04, 0.07),
        contrast=(0.12, 0.25),
        jpeg_chance=0.0,
    ),
    # Two fields of an eye that moved between them; a tone curve; JPEG of quality 15 to 40.
    Camera(
        "held-out-interlaced",
        (288, 384),
        (70, 105),
        offset=(0.06, 0.06),
        pupil_ratio=(0.25, 0.7),
        glints=("two",),
        openness=(0.5, 1.1),
        blur=(0.4, 1.0),
        jpeg_chance=0.0,
    ),
    # Visible light: windows up to a fifth of the iris, warm or cold cast, a tone curve, low pictures in width.
    Camera(
        "held-out-visible",
        (360, 640),
        (70, 125),
        colour=True,
        pupil_ratio=(0.15, 0.45),
        offset=(0.08, 0.06),
        roll_sd_deg=5.0,
        roll_limit_deg=20.0,
        glints=("window", "four"),
        glint_reach=0.5,
        glint_size=(0.06, 0.11),
        pupil_level=(0.02, 0.1),
        iris_level=(0.6, 1.3),
        sclera_level=(0.6, 0.85),
        skin_level=(0.6, 1.0),
        contrast=(0.15, 0.35),
        mirrored=(0.03, 0.12),
        noise=(0.01, 0.035),
    ),
)
HELD_OUT: dict[str, Camera] = {camera.name: camera for camera in _CAMERAS}


@dataclass(frozen=True, slots=True)
class HeldOutEye:
    """A picture (H, W) of uint8 as its sensor gives it, and the rendered eye with its truth."""

    image: Image
    eye: RenderedEye


def held_out_eye(camera: str, identity: int, seed: tuple[int, int]) -> HeldOutEye:
    """Render an eye by a camera of `HELD_OUT`.

    Parameters
    ----------
    camera : str
        Name in `HELD_OUT`.
    identity : int
        Seed of the identity.
    seed : tuple of int
        Seed of the capture.

    Returns
    -------
    HeldOutEye
        The same for the same arguments.
    """
    rng = np.random.default_rng(seed)
    capture = _captured(rng, sample_capture(rng, HELD_OUT[camera]))
    eye = render(Identity.from_seed(identity), capture)
    return HeldOutEye(_SENSORS.get(camera, _unchanged)(rng, eye.image), eye)


def _captured(rng: np.random.Generator, capture: Capture) -> Capture:
    """`capture` with what `sample_capture` does not draw for its camera."""
    if capture.camera.name == "held-out-gaze-45":
        away, direction = np.deg2rad(rng.uniform(0, _MOST_GAZE_DEG)), rng.uniform(0, TAU)
        return replace(capture, gaze_x_rad=float(away * np.cos(direction)), gaze_y_rad=float(away * np.sin(direction)))
    if capture.camera.name == "held-out-night":
        return replace(capture, light_x=float(rng.uniform(0.3, 0.6) * rng.choice([-1, 1])))
    return capture


def _unchanged(_: np.random.Generator, image: Image) -> Image:
    return to_gray(image)


def _night_sensor(rng: np.random.Generator, image: Image) -> Image:
    """A third to a half of the brightness, noise of whole rows, and that many gray levels."""
    levels = image.astype(np.float32) * np.float32(rng.uniform(0.33, 0.5))
    return _bytes(levels + rng.normal(0, 1.5, (image.shape[0], 1)))


def _interlaced_sensor(rng: np.random.Generator, image: Image) -> Image:
    """Even and odd rows of two moments, up to 1.5 pixels apart, and a tone curve; then JPEG."""
    half = rng.uniform(-0.75, 0.75)  # the truth lies between both
    both = image.copy()
    for first, aside in ((0, -half), (1, half)):
        move = np.array([[1, 0, aside], [0, 1, 0]], np.float32)
        both[first::2] = cv2.warpAffine(image, move, image.shape[::-1], borderMode=cv2.BORDER_REPLICATE)[first::2]
    _, packed = cv2.imencode(
        ".jpg", _bytes(_tone_curve(rng, both)), [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 41))]
    )
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)


def _visible_sensor(rng: np.random.Generator, image: Image) -> Image:
    """A warm or cold cast, a tone curve, and the gray picture that `irisstn.images` makes of it."""
    warmth = rng.uniform(-0.3, 0.3)
    cast = np.array([1 - warmth, 1, 1 + warmth], np.float32)
    return to_gray(_bytes(_tone_curve(rng, np.minimum(image * cast, 255))))


def _tone_curve(rng: np.random.Generator, levels: Image | Float32) -> Float32:
    """`levels`, 0..255, with more contrast in the middle and less at both ends, or the reverse."""
    part = np.asarray(levels, np.float32) / 255
    bend = np.float32(rng.uniform(-0.6, 0.9))
    return np.asarray(255 * (part + bend * (part * part * (3 - 2 * part) - part)), np.float32)


def _bytes(levels: Float32 | Float) -> Image:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


_SENSORS: dict[str, Callable[[np.random.Generator, Image], Image]] = {
    "held-out-night": _night_sensor,
    "held-out-interlaced": _interlaced_sensor,
    "held-out-visible": _visible_sensor,
}
