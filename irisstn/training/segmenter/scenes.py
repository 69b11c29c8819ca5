"""Rendered scenes for training pictures, by cameras that vary more than real ones (domain randomisation)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context

import cv2
import numpy as np

from irisstn.geometry import Boundary, Eyelid, Gray
from irisstn.segmentation.crop import Crop
from irisstn.synthetic import CAMERAS, Camera, Identity, render, sample_capture
from irisstn.synthetic.camera import Range
from irisstn.synthetic.eye import place_eye

_MAX_IRIS_RADIUS = 56.0  # pixels in a scene: about twice the radius in the network's pictures
_UNCHANGED_FRACTION = 0.25  # of the captures by a camera of `CAMERAS` with its own settings
_COLOUR_WEIGHT = 3.0  # probability of a visible-light camera, relative to any other
_FIRST_SEED = 1 << 42  # of the identities, far from those of other uses


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A rendered eye image, reduced, with its exact parts in its own pixels.

    Attributes
    ----------
    image : Gray, shape (H, W)
        The image.
    pupil, limbus : Boundary
        Boundaries of the iris.
    upper, lower : Eyelid
        Eyelids.
    """

    image: Gray
    pupil: Boundary
    limbus: Boundary
    upper: Eyelid
    lower: Eyelid


def render_scenes(
    count: int, seed: int, *, workers: int = 1, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Scene]:
    """Render scenes in several processes.

    Parameters
    ----------
    count : int
        Number of scenes.
    seed : int
        Seed; the scenes do not depend on the number of workers.
    workers : int
        Processes that render.
    progress : Callable[[int, int], None]
        Called with (done, total).

    Returns
    -------
    list of Scene
        The scenes 0 .. count - 1.
    """
    scenes: list[Scene] = []
    # Spawned, not forked: a fork of a process with torch's threads can deadlock.
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        for scene in pool.map(partial(render_scene, seed), range(count), chunksize=16):
            scenes.append(scene)
            progress(len(scenes), count)
    return scenes


def render_scene(seed: int, number: int) -> Scene:
    """Render one scene: an eye of its own, by a camera of its own.

    Parameters
    ----------
    seed : int
        Seed of the run.
    number : int
        Number of the scene.

    Returns
    -------
    Scene
        The scene; the same for the same arguments.
    """
    rng = np.random.default_rng((seed, number))
    identity = Identity.from_seed(_FIRST_SEED + int(rng.integers(1 << 40)))
    capture = sample_capture(rng, _camera(rng))
    eye = render(identity, capture)
    image = np.asarray(eye.image)
    if image.ndim == 3:  # mostly the red channel, which `irisstn.images` uses of colour images
        image = image[..., 2] if rng.random() < 0.7 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    crop = Crop.reduced(np.ascontiguousarray(image), max(1.0, capture.iris_radius_px / _MAX_IRIS_RADIUS))
    placed = place_eye(identity, capture)
    pupil, limbus = (crop.transform.boundary_to_crop(boundary) for boundary in (placed.pupil, placed.limbus))
    upper, lower = (crop.transform.eyelid_to_crop(eyelid) for eyelid in (placed.upper_lid, placed.lower_lid))
    return Scene(crop.image.copy(), pupil, limbus, upper, lower)


def _one_thread() -> None:
    cv2.setNumThreads(1)


def _camera(rng: np.random.Generator) -> Camera:
    """One of `CAMERAS`, unchanged or with wider ranges of all its settings."""
    cameras = list(CAMERAS.values())
    weights = np.array([_COLOUR_WEIGHT if camera.colour else 1.0 for camera in cameras])
    camera = cameras[int(rng.choice(len(cameras), p=weights / weights.sum()))]
    if rng.random() < _UNCHANGED_FRACTION:
        return camera

    def wider(levels: Range, by: float) -> Range:
        return max(0.0, levels[0] - by * rng.uniform()), levels[1] + by * rng.uniform()

    large = camera.size[0] > 480
    scale = rng.uniform(0.75, 1.2) * (0.625 if large else 1.0)
    size = (480, 640) if large else camera.size
    smallest, largest = camera.iris_radius
    return replace(
        camera,
        size=size,
        iris_radius=(max(30.0, 0.9 * scale * smallest), max(31.0, min(0.47 * size[0], 1.05 * scale * largest))),
        pupil_ratio=(0.18, 0.65),
        roll_sd_deg=float(rng.uniform(2, 10)),
        roll_limit_deg=30.0,
        gaze_sd_deg=float(rng.uniform(2, 14)),
        gaze_limit_deg=30.0,
        offset=(float(rng.uniform(0.04, 0.16)), float(rng.uniform(0.04, 0.14))),
        openness=(0.3, 1.15),
        lower=(0.65, 1.15),
        glints=tuple(rng.choice(["one", "two", "edge", "four", "ring", "window"], size=3).tolist()),
        glint_reach=float(rng.uniform(0.05, 0.4)),
        glint_size=(0.02, 0.1),
        pupil_level=wider(camera.pupil_level, 0.1),
        iris_level=wider(camera.iris_level, 0.5 if camera.colour else 0.15),
        sclera_level=wider(camera.sclera_level, 0.12),
        skin_level=wider(camera.skin_level, 0.3),
        lash_level=wider(camera.lash_level, 0.15),
        contrast=(0.05, 0.32),
        mirrored=(0.0, float(rng.uniform(0, 0.12))),
        blur=(0.3, float(rng.uniform(1, 3))),
        motion_chance=0.15,
        noise=(0.003, float(rng.uniform(0.01, 0.035))),
        jpeg_chance=0.6,
        glasses_chance=0.15,
        lens_chance=0.08,
    )
