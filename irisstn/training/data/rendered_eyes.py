"""Rendered eyes to train on: made by other processes while training goes on, and kept on disk for the next start.

The eyes come in chunks of identities. Which chunks an epoch sees depends on its number alone, not on how fast they
were made, so a run that was killed goes on exactly as it would have.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from irisstn.config import Strict
from irisstn.errors import IrisError, OutputError
from irisstn.geometry import Boundary, Eyelid, Gray
from irisstn.images import to_gray, write_bytes_atomic
from irisstn.processes import end_with_parent
from irisstn.results import Segmentation
from irisstn.segmentation import segment
from irisstn.synthetic import CAMERAS, Identity, render, sample_shot
from irisstn.training.data.degradation import DegradationConfig, degrade
from irisstn.training.data.eye_crops import EyeCrop, photograph

_TERMS = 12  # Fourier terms of a boundary kept in a file
_PATIENCE_S = 1800
_FIRST_SEED = 1 << 40  # of the identities, far from those that people render by hand
_HELD_OUT = 1 << 39  # added to it for the identities that training never sees


class RenderedConfig(Strict):
    """Which eyes to render, and how many. The time goes into these: a shot costs some 0.1 s of one core."""

    identities: int = Field(1536, ge=2)  # in all
    shots: int = Field(4, ge=2)  # of each identity
    at_first: int = Field(512, ge=2)  # identities that the first epoch needs; the others come while it trains
    per_epoch: int = Field(128, ge=0)  # identities that each further epoch adds
    chunk: int = Field(32, ge=1)  # identities rendered and written at once
    validation: int = Field(100, ge=2)  # identities that training never sees
    cameras: tuple[str, ...] = Field(tuple(CAMERAS), min_length=1)
    segmented: float = Field(0.5, ge=0, le=1)  # share whose ring is the segmenter's, with its real errors
    degraded: float = Field(0.0, ge=0, le=1)  # share of shots made poorer before they are segmented
    degradation: DegradationConfig = DegradationConfig()
    workers: int = Field(1, ge=1)  # processes that render
    keep: Path | None = None  # folder to keep the eyes in for other runs; None: with the run, until it has ended

    def folder(self, seed: int, run: Path) -> Path:
        """Where the eyes of the `run` with this `seed` lie; runs that keep theirs share what is rendered alike.

        A kept folder outlives changes of the renderer: remove it after an update of irisstn.
        """
        if self.keep is None:
            return run / "eyes"
        names = {"shots", "cameras", "segmented"} | ({"degraded", "degradation"} if self.degraded else set())
        alike = self.model_dump_json(include=names)
        return self.keep / hashlib.sha256(f"{seed}:{alike}".encode()).hexdigest()[:12]


class RenderedEyes:
    """The eyes of one run, in `folder`: rendered in the background, in order, each chunk once.

    Of several processes that train together the `first` renders, the others wait for its files.
    """

    def __init__(self, config: RenderedConfig, seed: int, folder: Path, *, first: bool = True) -> None:
        self._config, self._seed, self._folder, self._first = config, seed, folder, first
        self._pool: ProcessPoolExecutor | None = None
        self._waiting: dict[str, Future[None]] = {}
        self._loaded: dict[str, tuple[list[EyeCrop], list[int]]] = {}

    def __enter__(self) -> RenderedEyes:
        todo = [job for job in self._jobs() if not job[0].exists()]
        if todo and self._first:
            # Fresh processes: forking one that runs torch's threads can hang.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._config.workers, context, initializer=end_with_parent)
            for job in todo:
                self._waiting[job[0].name] = self._pool.submit(_render_chunk, *job)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def training(
        self, epoch: int, progress: Callable[[int, int], None] = lambda done, wanted: None
    ) -> tuple[list[EyeCrop], NDArray[np.intp]]:
        """Eyes and their identities' numbers for `epoch`; waits until they are rendered, telling `progress`."""
        wanted = min(self._config.at_first + epoch * self._config.per_epoch, self._config.identities)
        return self._gather([job[0] for job in self._jobs() if 0 <= job[1] < wanted], progress)

    def validation(
        self, progress: Callable[[int, int], None] = lambda done, wanted: None
    ) -> tuple[list[EyeCrop], NDArray[np.intp]]:
        """Eyes that training never sees."""
        return self._gather([job[0] for job in self._jobs() if job[1] >= _HELD_OUT], progress)

    def _jobs(self) -> list[tuple[Path, int, int, int, RenderedConfig]]:
        """(file, first identity, number of identities, seed, config), validation first."""
        size = self._config.chunk
        starts = [_HELD_OUT + i for i in range(0, self._config.validation, size)]
        jobs = [(start, min(size, self._config.validation + _HELD_OUT - start)) for start in starts]
        jobs += [(i, min(size, self._config.identities - i)) for i in range(0, self._config.identities, size)]
        return [
            (self._folder / f"{first}-{count}.npz", first, count, self._seed, self._config) for first, count in jobs
        ]

    def _gather(
        self, files: list[Path], progress: Callable[[int, int], None]
    ) -> tuple[list[EyeCrop], NDArray[np.intp]]:
        eyes: list[EyeCrop] = []
        numbers: list[int] = []
        for done, file in enumerate(files):
            if file.name not in self._loaded:
                if file.name in self._waiting:
                    self._waiting[file.name].result()
                _wait_for(file)
                self._loaded[file.name] = _read(file)
            progress(done + 1, len(files))
            eyes += self._loaded[file.name][0]
            numbers += self._loaded[file.name][1]
        return eyes, np.asarray(numbers, np.intp)


def _wait_for(file: Path) -> None:
    """Wait until `file` is there, at most as long as processes that train together wait for each other."""
    for _ in range(_PATIENCE_S):
        if file.exists():
            return
        time.sleep(1)
    raise OutputError(f"{file} was not rendered in {_PATIENCE_S} s: does the first process live, and write there?")


def render_photograph(identity: Identity, rng: np.random.Generator, config: RenderedConfig) -> EyeCrop:
    """One shot of `identity` with a camera drawn from `config`."""
    camera = CAMERAS[config.cameras[int(rng.integers(len(config.cameras)))]]
    eye = render(identity, sample_shot(rng, camera))
    image, truth = to_gray(eye.image), eye.truth
    if config.degraded and rng.random() < config.degraded:
        image, truth = degrade(image, truth, rng, config.degradation)
    found = _segmented(image, truth) if rng.random() < config.segmented else None
    return photograph(image, truth, eye.roll_rad, found=found)


def _segmented(image: Gray, truth: Segmentation) -> Segmentation | None:
    """What the segmenter finds, or None where it fails or is so wrong that nothing can be learnt from it."""
    try:
        found = segment(image)
    except IrisError:
        return None
    unit = truth.limbus.mean_radius
    for edge, true in ((found.pupil, truth.pupil), (found.limbus, truth.limbus)):
        if (
            np.hypot(edge.x - true.x, edge.y - true.y) > 0.15 * unit
            or abs(edge.mean_radius - true.mean_radius) > 0.15 * unit
        ):
            return None
    return found


def _render_chunk(file: Path, first: int, count: int, seed: int, config: RenderedConfig) -> None:
    eyes: list[EyeCrop] = []
    for number in range(first, first + count):
        identity = Identity.from_seed(_FIRST_SEED * (seed + 1) + number)
        for shot in range(config.shots):
            eyes.append(render_photograph(identity, np.random.default_rng((seed, number, shot)), config))
    content = BytesIO()
    np.savez(
        content,
        numbers=np.repeat(np.arange(first, first + count), config.shots),
        sizes=np.array([eye.image.shape for eye in eyes]),
        images=np.concatenate([eye.image.ravel() for eye in eyes]),
        masks=np.concatenate([eye.packed for eye in eyes]),
        rolls=np.array([eye.roll_rad for eye in eyes]),
        edges=np.stack([[_row(edge) for edge in (*eye.truth, *eye.used)] for eye in eyes]),
        lids=np.stack([[_lid_row(lid) for lid in eye.lids] for eye in eyes]),
    )
    write_bytes_atomic(file, content.getvalue())


def _read(file: Path) -> tuple[list[EyeCrop], list[int]]:
    with np.load(file, allow_pickle=False) as stored:
        held = {name: stored[name] for name in stored.files}
    eyes: list[EyeCrop] = []
    pixel = byte = 0
    for i, (height, width) in enumerate(held["sizes"].tolist()):
        size, packed = height * width, -(-height * width // 8)
        pupil, limbus, used_pupil, used_limbus = (_edge(row) for row in held["edges"][i])
        upper, lower = (_lid(row) for row in held["lids"][i][:2])
        eyes.append(
            EyeCrop(
                image=held["images"][pixel : pixel + size].reshape(height, width),
                packed=held["masks"][byte : byte + packed],
                truth=(pupil, limbus),
                used=(used_pupil, used_limbus),
                lids=(upper, lower),
                roll_rad=float(held["rolls"][i]),
            )
        )
        pixel, byte = pixel + size, byte + packed
    return eyes, held["numbers"].tolist()


def _row(edge: Boundary) -> NDArray[np.float64]:
    row = np.zeros(2 + 2 * _TERMS)
    row[:2] = edge.x, edge.y
    row[2 : 2 + len(edge.cosines)] = edge.cosines
    row[2 + _TERMS : 2 + _TERMS + len(edge.sines)] = edge.sines
    return row


def _edge(row: NDArray[np.float64]) -> Boundary:
    terms = row[2:].reshape(2, _TERMS)
    used = int(np.flatnonzero(terms.any(axis=0)).max(initial=0)) + 1  # the file pads with zeros
    cosines, sines = terms[:, :used].tolist()
    return Boundary(float(row[0]), float(row[1]), tuple(cosines), tuple(sines))


def _lid_row(lid: Eyelid | None) -> NDArray[np.float64]:
    return np.full(6, np.nan) if lid is None else np.array([lid.x, lid.y, lid.angle_rad, *lid.coefficients])


def _lid(row: NDArray[np.float64]) -> Eyelid | None:
    if not np.isfinite(row).all():
        return None
    x, y, angle, c0, c1, c2 = row.tolist()
    return Eyelid(x, y, angle, (c0, c1, c2))
