"""Rendered eyes to train on, rendered by other processes while training runs and stored on disk for later runs.

A file holds some identities. Which files an epoch uses depends on its number only, not on how fast they were rendered,
so a run that was killed and started again trains on the same batches.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from irisstn.config import Strict
from irisstn.errors import DatasetError, IrisError, OutputError
from irisstn.files import set_aside
from irisstn.geometry import Gray
from irisstn.images import to_gray
from irisstn.processes import rendering_pool
from irisstn.results import Segmentation
from irisstn.segmentation import segment
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture
from irisstn.training.data.degradation import DegradationConfig, degrade
from irisstn.training.data.eye_crops import EyeCrop, crop_eye
from irisstn.training.data.eye_files import read_eye_crops, write_eye_crops

_TIMEOUT_S = 1800
_FIRST_SEED = 1 << 40  # of the identities, far from those that users render
_VALIDATION_OFFSET = 1 << 39  # added to the number of an identity that training never uses
_MAX_ERROR = 0.15  # iris radii; segmentations with a larger error of a centre or radius are not used

EyesAndLabels = tuple[list[EyeCrop], NDArray[np.intp]]


def _no_progress(done: int, total: int) -> None:
    """Report nothing."""


class RenderedConfig(Strict):
    """Which eyes are rendered, and how many. Most of a run's time goes into them: a capture takes 0.1 s of one core."""

    identities: int = Field(1536, ge=2, description="Identities to train on, in all.")
    captures: int = Field(4, ge=2, description="Captures of each identity.")
    first_epoch_identities: int = Field(
        512, ge=2, description="Identities of the first epoch; the others are rendered while it trains."
    )
    added_per_epoch: int = Field(128, ge=0, description="Identities that each further epoch adds.")
    identities_per_file: int = Field(32, ge=1, description="Identities that are rendered and stored together.")
    validation_identities: int = Field(100, ge=2, description="Identities for validation; training never uses them.")
    cameras: tuple[str, ...] = Field(
        tuple(CAMERAS), min_length=1, description="Names in `irisstn.synthetic.CAMERAS`, drawn with equal probability."
    )
    segmented_fraction: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Fraction of the captures whose strips follow the boundaries that segmentation finds, with their "
        "real errors, in place of the true ones; 0..1.",
    )
    degraded_fraction: float = Field(
        0.0, ge=0, le=1, description="Fraction of the captures that are degraded before they are segmented, 0..1."
    )
    degradation: DegradationConfig = Field(DegradationConfig(), description="How poor degraded captures are.")
    workers: int = Field(1, ge=1, description="Processes that render.")
    cache: Path | None = Field(
        None,
        description="Folder that keeps the eyes for other runs. null: the run's folder, until the run has finished.",
    )

    @field_validator("cameras")
    @classmethod
    def _known(cls, cameras: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(cameras) - set(CAMERAS))
        if unknown:
            raise ValueError(f"no camera {', '.join(unknown)}; there are {', '.join(CAMERAS)}")
        return cameras

    def folder(self, seed: int, run: Path) -> Path:
        """Choose the folder of the rendered eyes.

        Runs with the same cache, seed and renderer settings share it. The name does not depend on the version of the
        renderer: delete the cache after an update of irisstn.

        Parameters
        ----------
        seed : int
            Seed of the run.
        run : Path
            The run's own folder.

        Returns
        -------
        Path
            A folder in `cache`, or `run`/eyes.
        """
        if self.cache is None:
            return run / "eyes"
        # These keys are the fields' names of an earlier version: with others, existing caches would not be found.
        settings = {"shots": self.captures, "cameras": self.cameras, "segmented": self.segmented_fraction}
        if self.degraded_fraction:
            settings |= {"degraded": self.degraded_fraction, "degradation": self.degradation.model_dump(mode="json")}
        text = json.dumps(settings, separators=(",", ":"), ensure_ascii=False)
        return self.cache / hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()[:12]


class RenderedEyes:
    """Rendered eyes of one run, a context manager: files are rendered in the background, in order, each once.

    Parameters
    ----------
    config : RenderedConfig
        Which eyes.
    seed : int
        Seed of the run.
    folder : Path
        Where the files are, from `RenderedConfig.folder`.
    first : bool
        Of several processes that train together the first one renders, the others wait for its files.
    """

    def __init__(self, config: RenderedConfig, seed: int, folder: Path, *, first: bool = True) -> None:
        self._config, self._seed, self._folder, self._first = config, seed, folder, first
        self._stack = ExitStack()
        self._pending: dict[str, Future[None]] = {}
        self._loaded: dict[str, tuple[list[EyeCrop], list[int]]] = {}

    def __enter__(self) -> Self:
        missing = [task for task in self._tasks() if not task[0].exists()]
        if missing and self._first:
            pool = self._stack.enter_context(rendering_pool(self._config.workers))
            for task in missing:
                self._pending[task[0].name] = pool.submit(_render_file, *task)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def training(self, epoch: int, progress: Callable[[int, int], None] = _no_progress) -> EyesAndLabels:
        """Return the eyes of an epoch, waiting until they are rendered.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.
        progress : Callable[[int, int], None]
            Called with (done, total) for each file.

        Returns
        -------
        eyes : list of EyeCrop, length N
            The captures.
        labels : NDArray[numpy.intp], shape (N,)
            Number of each capture's identity.

        Raises
        ------
        OutputError
            Where a file of the first process does not appear within half an hour.
        """
        config = self._config
        wanted = min(config.first_epoch_identities + epoch * config.added_per_epoch, config.identities)
        return self._gather([task[0] for task in self._tasks() if 0 <= task[1] < wanted], progress)

    def validation(self, progress: Callable[[int, int], None] = _no_progress) -> EyesAndLabels:
        """Return the eyes that training never uses, like `training`."""
        return self._gather([task[0] for task in self._tasks() if task[1] >= _VALIDATION_OFFSET], progress)

    def _tasks(self) -> list[tuple[Path, int, int, int, RenderedConfig]]:
        """(file, first identity, number of identities, seed, config), validation first."""
        size, validation = self._config.identities_per_file, self._config.validation_identities
        starts = [_VALIDATION_OFFSET + i for i in range(0, validation, size)]
        parts = [(start, min(size, validation + _VALIDATION_OFFSET - start)) for start in starts]
        parts += [(i, min(size, self._config.identities - i)) for i in range(0, self._config.identities, size)]
        return [
            (self._folder / f"{first}-{count}.npz", first, count, self._seed, self._config) for first, count in parts
        ]

    def _gather(self, files: list[Path], progress: Callable[[int, int], None]) -> EyesAndLabels:
        eyes: list[EyeCrop] = []
        labels: list[int] = []
        for done, file in enumerate(files):
            if file.name not in self._loaded:
                if file.name in self._pending:
                    self._pending[file.name].result()
                _wait_for(file)
                self._loaded[file.name] = self._read(file)
            progress(done + 1, len(files))
            eyes += self._loaded[file.name][0]
            labels += self._loaded[file.name][1]
        return eyes, np.asarray(labels, np.intp)

    def _read(self, file: Path) -> tuple[list[EyeCrop], list[int]]:
        """The content of `file`; a damaged one is set aside and rendered again. Raises DatasetError."""
        try:
            return read_eye_crops(file)
        except DatasetError:
            if not self._first:
                raise
            set_aside(file)
            _render_file(*next(task for task in self._tasks() if task[0] == file))
            return read_eye_crops(file)


def _wait_for(file: Path) -> None:
    """Wait until `file` exists, at most as long as processes that train together wait for each other."""
    for _ in range(_TIMEOUT_S):
        if file.exists():
            return
        time.sleep(1)
    raise OutputError(
        f"{file} was not rendered within {_TIMEOUT_S} s: check that the first process runs and writes to this folder"
    )


def render_capture(identity: Identity, rng: np.random.Generator, config: RenderedConfig) -> EyeCrop:
    """Render one capture of an identity by a camera drawn from the config.

    Parameters
    ----------
    identity : Identity
        The eye.
    rng : numpy.random.Generator
        Source of randomness.
    config : RenderedConfig
        Cameras, and how often segmentation's boundaries are used.

    Returns
    -------
    EyeCrop
        The eye with its true boundaries.
    """
    camera = CAMERAS[config.cameras[int(rng.integers(len(config.cameras)))]]
    eye = render(identity, sample_capture(rng, camera))
    image, truth = to_gray(eye.image), eye.truth
    if config.degraded_fraction and rng.random() < config.degraded_fraction:
        image, truth = degrade(image, truth, rng, config.degradation)
    found = _segmented(image, truth) if rng.random() < config.segmented_fraction else None
    return crop_eye(image, truth, eye.roll_rad, found=found)


def _segmented(image: Gray, truth: Segmentation) -> Segmentation | None:
    """The segmentation of `image`, or None where it fails or its boundaries are too wrong to train on."""
    try:
        found = segment(image)
    except IrisError:
        return None
    worst = max(found.pupil.deviation(truth.pupil), found.limbus.deviation(truth.limbus))
    return None if worst > _MAX_ERROR * truth.limbus.mean_radius else found


def _render_file(file: Path, first: int, count: int, seed: int, config: RenderedConfig) -> None:
    """Render the identities `first` .. `first` + `count` - 1 into `file`."""
    eyes: list[EyeCrop] = []
    for number in range(first, first + count):
        identity = Identity.from_seed(_FIRST_SEED * (seed + 1) + number)
        for capture in range(config.captures):
            eyes.append(render_capture(identity, np.random.default_rng((seed, number, capture)), config))
    write_eye_crops(file, eyes, np.repeat(np.arange(first, first + count), config.captures))
