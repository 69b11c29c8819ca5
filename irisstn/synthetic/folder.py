"""A folder of rendered eyes with their ground truth.

    OUT/eyes/001/L/001L01.png              subject 001, left eye, capture 01
    OUT/truth/truth.jsonl                  a record per picture, sorted by path, with the picture's SHA-256
    OUT/truth/synth.json                   the settings; a folder of other settings is refused
    OUT/truth/masks/001/L/001L01.png       255 = usable iris
    OUT/truth/iris_masks/001/L/001L01.png  255 = iris between the eyelids, lashes and glints left in

`irisstn segment` and `train` take `OUT/eyes`; the ground truth lies in a folder of its own, so that no mask is taken
for an eye picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np

from irisstn.errors import OutputError
from irisstn.files import write_bytes_atomic
from irisstn.images import encode_png, write_png
from irisstn.outputs.records import output_file
from irisstn.outputs.segmentation_fields import segmentation_fields
from irisstn.processes import rendering_pool
from irisstn.storage.lock import locked, make_folder
from irisstn.synthetic.camera import CAMERAS
from irisstn.synthetic.capture import sample_capture
from irisstn.synthetic.identity import Identity
from irisstn.synthetic.render import RenderedEye, render
from irisstn.synthetic.set_of_eyes import Record, SetOfEyes, begin_set, finish_set

NEAR_INFRARED = tuple(name for name, camera in CAMERAS.items() if not camera.colour)


@dataclass(frozen=True, slots=True)
class _Job:
    out: Path
    settings: SetOfEyes


def write_eyes(
    out: Path,
    *,
    subjects: int,
    captures: int,
    seed: int,
    cameras: Sequence[str] = NEAR_INFRARED,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Render both eyes of several subjects. The same arguments give the same bytes for any number of workers.

    A folder that holds anything else than a part of the same set is refused, so that no picture without ground truth
    stays in it. truth.jsonl is written last.

    Parameters
    ----------
    out : Path
        The folder to write.
    subjects : int
        Number of subjects.
    captures : int
        Pictures of each eye.
    seed : int
        Seed of all eyes and pictures, at least 0.
    cameras : sequence of str
        Names in `CAMERAS`; each picture is taken by a random one of them.
    workers : int
        Number of processes.
    overwrite : bool
        Remove an earlier set first.
    progress : callable, optional
        Called with the number of pictures that were just finished.

    Returns
    -------
    Path
        `out`/eyes.

    Raises
    ------
    ValueError
        Where a number is not positive or a camera is unknown.
    OutputError
        Where `out` cannot be written to, is in use, or holds another set or other files.
    """
    if subjects < 1 or captures < 1 or workers < 1 or seed < 0:
        raise ValueError(
            f"{subjects} subjects, {captures} captures, {workers} workers, seed {seed}: all must be positive"
        )
    unknown = sorted(set(cameras) - set(CAMERAS))
    if unknown or not cameras:
        raise ValueError(f"cameras must be among {', '.join(CAMERAS)}; got {', '.join(unknown) or 'none'}")
    eyes = [(subject, eye) for subject in range(1, subjects + 1) for eye in "LR"]
    settings = SetOfEyes(subjects, captures, seed, tuple(cameras))
    make_folder(out)
    with locked(out):
        begin_set(out, settings, overwrite=overwrite)
        job, records = _Job(out, settings), []
        try:
            for group in _rendered(job, eyes, workers):
                records += group
                if progress:
                    progress(len(group))
            finish_set(out, settings, records)
        except OSError as error:
            raise OutputError(f"{out} cannot be written to: {error.strerror or error}", stage="write") from None
    return out / "eyes"


def _rendered(job: _Job, eyes: Sequence[tuple[int, str]], workers: int) -> Iterator[list[Record]]:
    """Write all pictures of `eyes`; yields the records of each eye."""
    if workers == 1:
        yield from map(_write_eye, repeat(job), eyes)
        return
    with rendering_pool(workers) as pool:
        yield from pool.map(_write_eye, repeat(job), eyes)


def eye_seed(seed: int, subject: int, eye: str) -> int:
    """Seed of the identity of an eye.

    Parameters
    ----------
    seed : int
        Seed of the folder.
    subject : int
        Number of the subject.
    eye : {"L", "R"}
        The eye.

    Returns
    -------
    int
        Even for left eyes, odd for right ones.
    """
    drawn = int(np.random.SeedSequence([seed, subject, ord(eye)]).generate_state(1, np.uint64)[0] >> np.uint64(2))
    return 2 * (drawn // 2) + (eye == "R")


def _write_eye(job: _Job, subject_and_eye: tuple[int, str]) -> list[Record]:
    """Write all pictures of one eye with their ground truth; returns their records."""
    subject, eye = subject_and_eye
    settings = job.settings
    identity = Identity.from_seed(eye_seed(settings.seed, subject, eye))
    rng = np.random.default_rng([settings.seed, subject, ord(eye)])
    records = []
    for number in range(1, settings.captures + 1):
        camera = CAMERAS[settings.cameras[int(rng.integers(len(settings.cameras)))]]
        rendered = render(identity, sample_capture(rng, camera))
        label, name = settings.label(subject), settings.name(subject, eye, number)
        mask, iris_mask = output_file("mask", name), output_file("iris_mask", name)
        picture = bytes(cv2.imencode(".png", rendered.image)[1]) if camera.colour else encode_png(rendered.image)
        write_bytes_atomic(job.out / "eyes" / name, picture)
        write_png(job.out / "truth" / mask, rendered.truth.usable)
        write_png(job.out / "truth" / iris_mask, rendered.truth.iris_mask)
        digest = hashlib.sha256(picture).hexdigest()
        record = {"path": name, "sha256": digest, "subject": label, "eye": eye, "mask": mask, "iris_mask": iris_mask}
        records.append(record | _record(rendered))
    return records


def _record(rendered: RenderedEye) -> Record:
    truth = rendered.truth
    height, width = truth.image_size
    return {
        "camera": rendered.camera,
        "identity_seed": rendered.identity_seed,
        "capture_seed": rendered.capture.seed,
        "height": height,
        "width": width,
        **segmentation_fields(truth, decimals=None),
        "roll_rad": rendered.roll_rad,
        "stretch": rendered.stretch,
        "pupil_ratio": rendered.pupil_ratio,
    }
