"""A folder of rendered eyes with their ground truth.

    OUT/eyes/001/L/001L01.png              subject 001, left eye, capture 01
    OUT/truth/truth.jsonl                  a record per picture, sorted by path
    OUT/truth/masks/001/L/001L01.png.png       255 = usable iris
    OUT/truth/iris_masks/001/L/001L01.png.png  255 = iris between the eyelids, lashes and glints left in

`irisstn segment` and `train` take `OUT/eyes`; the ground truth lies in a folder of its own, so that no mask is taken
for an eye picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from irisstn.images import write_bytes_atomic, write_png
from irisstn.outputs.records import segmentation_fields
from irisstn.processes import end_with_parent
from irisstn.synthetic.camera import CAMERAS
from irisstn.synthetic.capture import sample_capture
from irisstn.synthetic.identity import Identity
from irisstn.synthetic.render import RenderedEye, render

NEAR_INFRARED = tuple(name for name, camera in CAMERAS.items() if not camera.colour)

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Job:
    out: Path
    captures: int
    seed: int
    cameras: tuple[str, ...]
    digits: tuple[int, int]  # of the subject's and of the capture's number


def write_eyes(
    out: Path,
    *,
    subjects: int,
    captures: int,
    seed: int,
    cameras: Sequence[str] = NEAR_INFRARED,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Render both eyes of several subjects. The same arguments give the same bytes for any number of workers.

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
    """
    if subjects < 1 or captures < 1 or workers < 1 or seed < 0:
        raise ValueError(
            f"{subjects} subjects, {captures} captures, {workers} workers, seed {seed}: all must be positive"
        )
    unknown = sorted(set(cameras) - set(CAMERAS))
    if unknown or not cameras:
        raise ValueError(f"cameras must be among {', '.join(CAMERAS)}; got {', '.join(unknown) or 'none'}")
    eyes = [(subject, eye) for subject in range(1, subjects + 1) for eye in "LR"]
    digits = max(3, len(str(subjects))), max(2, len(str(captures)))
    job = _Job(out, captures, seed, tuple(cameras), digits)
    records: list[Record] = []
    if workers == 1:
        for group in map(_write_eye, repeat(job), eyes):
            records += group
            if progress:
                progress(len(group))
    else:
        # Spawned processes, because a forked one would inherit the locks of OpenCV's threads but not the threads.
        with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker) as pool:
            for group in pool.map(_write_eye, repeat(job), eyes):
                records += group
                if progress:
                    progress(len(group))
    lines = [json.dumps(record, sort_keys=True) + "\n" for record in sorted(records, key=lambda r: str(r["path"]))]
    write_bytes_atomic(out / "truth" / "truth.jsonl", "".join(lines).encode())
    return out / "eyes"


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


def _start_worker() -> None:
    end_with_parent()
    cv2.setNumThreads(1)


def _write_eye(job: _Job, subject_and_eye: tuple[int, str]) -> list[Record]:
    """Write all pictures of one eye with their ground truth; returns their records."""
    subject, eye = subject_and_eye
    identity = Identity.from_seed(eye_seed(job.seed, subject, eye))
    rng = np.random.default_rng([job.seed, subject, ord(eye)])
    records = []
    for number in range(1, job.captures + 1):
        camera = CAMERAS[job.cameras[int(rng.integers(len(job.cameras)))]]
        rendered = render(identity, sample_capture(rng, camera))
        label = f"{subject:0{job.digits[0]}d}"
        name = f"{label}/{eye}/{label}{eye}{number:0{job.digits[1]}d}.png"
        mask, iris_mask = f"masks/{name}.png", f"iris_masks/{name}.png"
        if camera.colour:
            write_bytes_atomic(job.out / "eyes" / name, bytes(cv2.imencode(".png", rendered.image)[1]))
        else:
            write_png(job.out / "eyes" / name, rendered.image)
        write_png(job.out / "truth" / mask, rendered.truth.usable)
        write_png(job.out / "truth" / iris_mask, rendered.truth.iris_mask)
        record = {"path": name, "subject": label, "eye": eye, "mask": mask, "iris_mask": iris_mask}
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
