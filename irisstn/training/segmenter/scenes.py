"""Rendered scenes for training pictures, by cameras that vary more than real ones (domain randomisation)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from irisstn.files import write_bytes_atomic
from irisstn.geometry import Boundary, Eyelid, Gray
from irisstn.processes import rendering_pool
from irisstn.segmentation.crop import Crop
from irisstn.synthetic import CAMERAS, Camera, Identity, render, sample_capture
from irisstn.synthetic.camera import Range
from irisstn.synthetic.eye import place_eye
from irisstn.training.data.eye_files import boundary_of_row, boundary_row, eyelid_of_row, eyelid_row

_MAX_IRIS_RADIUS = 56.0  # pixels in a scene: about twice the radius in the network's pictures
_UNCHANGED_FRACTION = 0.25  # of the captures by a camera of `CAMERAS` with its own settings
_COLOUR_WEIGHT = 3.0  # probability of a visible-light camera, relative to any other
_FIRST_SEED = 1 << 42  # of the identities, far from those of other uses
_FILE_SCENES = 200  # scenes in a file of the cache


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A rendered eye image, reduced, with its exact parts in its own pixels.

    Attributes
    ----------
    image : Gray, shape (H, W)
        The image.
    occluded : Gray, shape (H, W)
        Fraction of each pixel of the iris that eyelashes or specular reflections cover, 0..255; 0 outside the iris.
    pupil, limbus : Boundary
        Boundaries of the iris.
    upper, lower : Eyelid
        Eyelids.
    """

    image: Gray
    occluded: Gray
    pupil: Boundary
    limbus: Boundary
    upper: Eyelid
    lower: Eyelid


def render_scenes(
    count: int,
    seed: int,
    folder: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Scene]:
    """Render scenes in several processes, or read those that an earlier run has kept.

    Parameters
    ----------
    count : int
        Number of scenes.
    seed : int
        Seed; the scenes do not depend on the number of workers.
    folder : Path
        Keeps the scenes, in files of 200, for this run after a kill and for others of the same seed. The names do not
        depend on the version of the renderer: delete the folder after an update of irisstn.
    workers : int
        Processes that render.
    progress : Callable[[int, int], None]
        Called with (done, total).

    Returns
    -------
    list of Scene
        The scenes 0 .. count - 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{seed}-{first:07d}.npz" for first in range(0, count, _FILE_SCENES)]
    tasks = [(file, seed, number * _FILE_SCENES) for number, file in enumerate(files) if not file.exists()]
    done = min(count, (len(files) - len(tasks)) * _FILE_SCENES)
    progress(done, count)
    with rendering_pool(workers) as pool:
        for _ in pool.map(partial(_render_file, count=min(count, _FILE_SCENES)), tasks):
            done = min(count, done + _FILE_SCENES)
            progress(done, count)
    return [scene for file in files for scene in _read_scenes(file)][:count]


def _render_file(task: tuple[Path, int, int], *, count: int) -> None:
    file, seed, first = task
    _write_scenes(file, [render_scene(seed, first + number) for number in range(count)])


def _write_scenes(file: Path, scenes: Sequence[Scene]) -> None:
    content = BytesIO()
    np.savez(
        content,
        sizes=np.array([scene.image.shape for scene in scenes]),
        images=np.concatenate([scene.image.ravel() for scene in scenes]),
        occluded=np.concatenate([scene.occluded.ravel() for scene in scenes]),
        edges=np.stack([[boundary_row(edge) for edge in (scene.pupil, scene.limbus)] for scene in scenes]),
        eyelids=np.stack([[eyelid_row(eyelid) for eyelid in (scene.upper, scene.lower)] for scene in scenes]),
    )
    write_bytes_atomic(file, content.getvalue(), durable=True)


def _read_scenes(file: Path) -> Iterator[Scene]:
    with np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    start = 0
    sizes = arrays["sizes"].tolist()
    for (height, width), edges, eyelids in zip(sizes, arrays["edges"], arrays["eyelids"], strict=True):
        pixels = slice(start, start := start + height * width)
        image, occluded = (arrays[name][pixels].reshape(height, width) for name in ("images", "occluded"))
        pupil, limbus = (boundary_of_row(row) for row in edges)
        upper, lower = (eyelid_of_row(row) for row in eyelids)
        if upper is None or lower is None:
            raise ValueError(f"{file} is damaged: delete it")
        yield Scene(image, occluded, pupil, limbus, upper, lower)


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
    factor = max(1.0, capture.iris_radius_px / _MAX_IRIS_RADIUS)
    crop = Crop.reduced(np.ascontiguousarray(image), factor)
    hidden = np.where(eye.truth.iris_mask & ~eye.truth.usable, np.uint8(255), np.uint8(0))
    occluded = Crop.reduced(hidden, factor).image.copy()
    placed = place_eye(identity, capture)
    pupil, limbus = (crop.transform.boundary_to_crop(boundary) for boundary in (placed.pupil, placed.limbus))
    upper, lower = (crop.transform.eyelid_to_crop(eyelid) for eyelid in (placed.upper_lid, placed.lower_lid))
    return Scene(crop.image.copy(), occluded, pupil, limbus, upper, lower)


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
    scale = rng.uniform(0.5, 1.2) * (0.625 if large else 1.0)
    size = (480, 640) if large else camera.size
    smallest, largest = camera.iris_radius
    return replace(
        camera,
        size=size,
        iris_radius=(max(22.0, 0.9 * scale * smallest), max(23.0, min(0.47 * size[0], 1.05 * scale * largest))),
        pupil_ratio=(0.12, 0.8) if rng.random() < 0.6 else (0.2, 0.65),
        roll_sd_deg=float(rng.uniform(2, 12)),
        roll_limit_deg=35.0,
        gaze_sd_deg=float(rng.uniform(2, 20)),
        gaze_limit_deg=35.0,
        offset=(float(rng.uniform(0.04, 0.16)), float(rng.uniform(0.04, 0.14))),
        openness=(0.25, 1.2),
        lower=(0.6, 1.2),
        glints=tuple(rng.choice(["one", "two", "edge", "four", "ring", "window"], size=3).tolist()),
        glint_reach=float(rng.uniform(0.05, 0.4)),
        glint_size=(0.02, 0.1),
        pupil_level=wider(camera.pupil_level, 0.1),
        iris_level=wider(camera.iris_level, 0.5 if camera.colour else 0.15),
        sclera_level=wider(camera.sclera_level, 0.15),
        skin_level=wider(camera.skin_level, 0.45),
        lash_level=wider(camera.lash_level, 0.15),
        contrast=(0.03, float(rng.uniform(0.15, 0.5))),
        mirrored=(0.0, float(rng.uniform(0, 0.15))),
        blur=(0.3, float(rng.uniform(1, 3.5))),
        motion_chance=0.15,
        noise=(0.003, float(rng.uniform(0.01, 0.035))),
        jpeg_chance=0.6,
        glasses_chance=0.2,
        lens_chance=0.08,
    )
