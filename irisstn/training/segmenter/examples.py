"""Training pictures: rendered scenes with random framing, appearance and exposure, and their part maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from irisstn.geometry import Float32, Gray
from irisstn.segmentation.network import SIZE, standardized
from irisstn.training.segmenter import appearance, distractors
from irisstn.training.segmenter.framing import Framing, frame_beside_eye, frame_close_up, frame_whole_image
from irisstn.training.segmenter.scenes import Scene

_WHOLE_IMAGE, _CLOSE_UP = 0.42, 0.49  # fractions of the pictures; the rest shows no open eye
_Y, _X = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)


def draw_batch(scenes: Sequence[Scene], count: int, rng: np.random.Generator) -> tuple[Float32, Float32]:
    """Make a training batch.

    Parameters
    ----------
    scenes : sequence of Scene
        Scenes to choose from.
    count : int
        Number of pictures B.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    pictures : Float32, shape (B, 1, H, W)
        Pictures of mean 0 and standard deviation about 1.
    parts : Float32, shape (B, 4, H, W)
        Fraction of each pixel inside the pupil, inside the limbus, between the eyelids, and of the iris that eyelashes
        or specular reflections cover; 0..1.
    """
    pairs = [draw_picture(scenes[int(rng.integers(len(scenes)))], rng) for _ in range(count)]
    return np.stack([picture[None] for picture, _ in pairs]), np.stack([parts for _, parts in pairs])


def draw_picture(scene: Scene, rng: np.random.Generator) -> tuple[Float32, Float32]:
    """Make one picture (H, W) of a scene and its parts (4, H, W); see `draw_batch`."""
    kind = rng.random()
    if kind < _WHOLE_IMAGE + _CLOSE_UP:
        framing = (frame_whole_image if kind < _WHOLE_IMAGE else frame_close_up)(rng, scene)
        picture, parts = _with_appearance(rng, _framed(framing), framing)
    else:
        picture, parts = _no_eye(rng, scene)
    if rng.random() < 0.15:
        spotted = distractors.bright_spots(rng, picture)
        parts[3] = np.maximum(parts[3], _changed(picture, spotted))
        picture = spotted
    parts[3] *= parts[1] * (1 - parts[0]) * parts[2]
    return standardized(255 * _exposed(rng, picture)), parts


def _framed(framing: Framing) -> Float32:
    """The scene warped into the network's picture; beyond its border the border is replicated."""
    return _warped(framing.scene.image, framing)


def _warped(image: Gray, framing: Framing) -> Float32:
    if framing.scale < 0.7:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.45 / framing.scale), np.uint8)
    size = (SIZE[1], SIZE[0])
    warped = cv2.warpAffine(image, framing.matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped.astype(np.float32)


def _changed(before: Float32, after: Float32) -> Float32:
    """How far the pixels that were drawn over are covered, 0..1: a change of a few gray levels covers nothing."""
    return np.asarray(np.clip((np.abs(after - before) - 8) / 16, 0, 1), np.float32)


def _with_appearance(rng: np.random.Generator, picture: Float32, framing: Framing) -> tuple[Float32, Float32]:
    """`picture` with random details of real eyes, and its parts (4, H, W)."""
    below_upper, above_lower = framing.below_upper, framing.above_lower
    scene = framing.scene
    if rng.random() < 0.9:
        picture, width = appearance.eyelid_margin(rng, picture, framing, below_upper, (0.02, 0.22))
        below_upper = below_upper - width
    if rng.random() < 0.65:
        picture, width = appearance.eyelid_margin(rng, picture, framing, above_lower, (0.0, 0.13))
        above_lower = above_lower - width
    if rng.random() < 0.12:
        picture = appearance.faint_pupil(rng, picture, framing)
    if rng.random() < 0.08:
        picture = appearance.faint_limbus(rng, picture, framing)
    occluded = _warped(scene.occluded, framing) / np.float32(255)
    upward = -1 if rng.random() < 0.6 else 1
    covers: list[tuple[float, Callable[[Float32], Float32]]] = [
        (0.45, lambda bare: appearance.eyelashes(rng, bare, framing, scene.upper, upward)),
        (0.12, lambda bare: appearance.eyelashes(rng, bare, framing, scene.lower, 1)),
        (0.25, lambda bare: appearance.corneal_reflection(rng, bare, framing)),
        (0.06, lambda bare: distractors.stray_hairs(rng, bare)),
    ]
    for chance, draw in covers:
        if rng.random() < chance:
            covered = draw(picture)
            occluded = np.maximum(occluded, _changed(picture, covered))
            picture = covered
    if rng.random() < 0.25:
        picture = appearance.dark_eyelid_edge(rng, picture, framing, framing.below_upper)
    if rng.random() < 0.1:
        picture = appearance.dark_eyelid_edge(rng, picture, framing, framing.above_lower)
    if rng.random() < 0.3:
        picture = appearance.eyelid_shadow(rng, picture, below_upper, framing.radius)
    opening = framing.coverage(np.minimum(below_upper, above_lower))
    return picture, np.stack([framing.pupil, framing.iris, opening, occluded])


def _no_eye(rng: np.random.Generator, scene: Scene) -> tuple[Float32, Float32]:
    """A region beside the eye, a closed eye, or noise; all parts are 0."""
    kind = rng.random()
    none = np.zeros((4, *SIZE), np.float32)
    if kind < 0.35:
        framing = frame_beside_eye(rng, scene)
        while framing.iris.any():
            framing = frame_beside_eye(rng, scene)
        return _framed(framing), none
    if kind < 0.75:
        framing = (frame_close_up if rng.random() < 0.5 else frame_whole_image)(rng, scene)
        return appearance.closed_eye(rng, _framed(framing), framing), none
    return distractors.noise_picture(rng), none


def _exposed(rng: np.random.Generator, picture: Float32) -> Float32:
    """`picture` (0..255) with random gamma, light gradient, clipping, resolution and noise, scaled to about 0..1."""
    picture = np.clip(picture / 255, 0, 1)
    if rng.random() < 0.8:
        picture = picture ** np.float32(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.5:
        right, down = rng.normal(0, 0.35, 2).astype(np.float32)
        picture = picture * (1 + right * (_X / SIZE[1] - 0.5) + down * (_Y / SIZE[0] - 0.5))
    if rng.random() < 0.3:
        darkest, brightest = np.quantile(picture, [rng.uniform(0, 0.03), 1 - rng.uniform(0, 0.1)])
        picture = np.clip(picture, darkest, brightest)
    if rng.random() < 0.12:  # overexposed: most of a light iris may be white
        picture = np.clip(picture * np.float32(rng.uniform(1.2, 3)), 0, 1)
    elif rng.random() < 0.08:  # underexposed: few gray levels are left
        levels = np.float32(rng.uniform(12, 60))
        picture = np.asarray(np.round(picture * levels) / levels, np.float32)
    if rng.random() < 0.15:
        picture = _at_lower_resolution(rng, picture)
    if rng.random() < 0.4:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.3)), np.float32)
    if rng.random() < 0.1:  # halos of a camera that sharpens
        smooth = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.8, 2.0))
        picture = np.clip(picture + np.float32(rng.uniform(0.5, 2)) * (picture - smooth), 0, 1)
    if rng.random() < 0.5:
        grain = np.float32(4 * rng.uniform(0, 0.05) * picture.std())
        picture = picture + grain * rng.standard_normal(picture.shape, np.float32)
    return np.asarray(picture, np.float32)


def _at_lower_resolution(rng: np.random.Generator, picture: Float32) -> Float32:
    """`picture` (0..1) as of a small iris that was enlarged: fewer pixels, in half of the cases with JPEG's blocks."""
    factor = rng.uniform(1.3, 3.0)
    small = cv2.resize(picture, (round(SIZE[1] / factor), round(SIZE[0] / factor)), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        _, packed = cv2.imencode(".jpg", cv2.convertScaleAbs(small, alpha=255.0), quality)
        small = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.float32) / 255
    return np.asarray(cv2.resize(small, (SIZE[1], SIZE[0]), interpolation=cv2.INTER_LINEAR), np.float32)
