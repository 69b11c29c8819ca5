"""Rendered eyes to cut training pictures from: by cameras that differ more than real ones do."""

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
from irisstn.synthetic import CAMERAS, Camera, Identity, render, sample_shot
from irisstn.synthetic.camera import Range
from irisstn.synthetic.eye import place_eye

_LARGEST = 56.0  # pixels of an iris's radius in a scene: about twice what the network sees
_AS_IT_IS = 0.25  # share of the shots that are taken by a camera as it stands in `CAMERAS`
_COLOUR = 3.0  # how much likelier than any other a camera that sees colour is
_SEEDS = 1 << 42  # of the identities, far from those of other uses


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A rendered picture (H, W), reduced, and where its pupil, limbus and lids are, in its pixels."""

    image: Gray
    pupil: Boundary
    limbus: Boundary
    upper: Eyelid
    lower: Eyelid


def render_scenes(
    count: int, seed: int, *, workers: int = 1, progress: Callable[[int, int], None] = lambda done, of: None
) -> list[Scene]:
    """`count` scenes, the same for the same `seed` whatever the number of `workers`; `progress` hears (done, of)."""
    scenes: list[Scene] = []
    # Fresh processes: forking one that runs torch's threads can hang.
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        for scene in pool.map(partial(render_scene, seed), range(count), chunksize=16):
            scenes.append(scene)
            progress(len(scenes), count)
    return scenes


def render_scene(seed: int, number: int) -> Scene:
    """One scene: an eye that is in no other, by a camera that takes no other."""
    rng = np.random.default_rng((seed, number))
    identity = Identity.from_seed(_SEEDS + int(rng.integers(1 << 40)))
    shot = sample_shot(rng, _camera(rng))
    eye = render(identity, shot)
    image = np.asarray(eye.image)
    if image.ndim == 3:  # red as a rule, as `irisstn.images` reads colour
        image = image[..., 2] if rng.random() < 0.7 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    crop = Crop.reduced(np.ascontiguousarray(image), max(1.0, shot.iris_radius_px / _LARGEST))
    placed = place_eye(identity, shot)
    pupil, limbus = (crop.transform.boundary_to_crop(boundary) for boundary in (placed.pupil, placed.limbus))
    upper, lower = (crop.transform.eyelid_to_crop(eyelid) for eyelid in (placed.upper_lid, placed.lower_lid))
    return Scene(crop.image.copy(), pupil, limbus, upper, lower)


def _one_thread() -> None:
    cv2.setNumThreads(1)


def _camera(rng: np.random.Generator) -> Camera:
    """One of `CAMERAS`, as it is or with everything about it drawn more widely."""
    cameras = list(CAMERAS.values())
    weights = np.array([_COLOUR if camera.colour else 1.0 for camera in cameras])
    camera = cameras[int(rng.choice(len(cameras), p=weights / weights.sum()))]
    if rng.random() < _AS_IT_IS:
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
