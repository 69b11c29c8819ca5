"""Embeddings of many rendered eyes, as an output folder that `identification.py` and `irisstn evaluate` read.

    python benchmarks/rendered_gallery.py OUT [--eyes 100000] [--probes 2000]

Each eye is rendered, segmented, rectified and embedded by `irisstn.Pipeline`, without a file of the picture. The first
eyes, which are the probes, have a second picture. A run that was stopped continues.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from irisstn import Pipeline
from irisstn.errors import IrisError
from irisstn.files import write_bytes_atomic
from irisstn.gray_levels import to_gray
from irisstn.outputs.manifest import Manifest
from irisstn.outputs.records import Record, output_file
from irisstn.processes import rendering_pool
from irisstn.progress import ProgressBar
from irisstn.storage import locked
from irisstn.storage.lock import make_folder
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture
from irisstn.synthetic.folder import NEAR_INFRARED, eye_seed

_EYES_OF_A_TASK = 20
_Outcome = NDArray[np.float32] | str  # an embedding, or why there is none


def embed_eye(seed: int, subject: int, eye: str, captures: int) -> list[_Outcome]:
    """Render pictures of an eye by random near-infrared cameras and embed each of them.

    Parameters
    ----------
    seed : int
        Seed of the gallery.
    subject : int
        Number of the subject.
    eye : {"L", "R"}
        The eye.
    captures : int
        Number of pictures.

    Returns
    -------
    list of (ndarray of float32, shape (D,), or str)
        The embeddings; the reason where a picture is refused.
    """
    identity = Identity.from_seed(eye_seed(seed, subject, eye))
    rng = np.random.default_rng([seed, subject, ord(eye)])
    outcomes: list[_Outcome] = []
    for _ in range(captures):
        camera = CAMERAS[NEAR_INFRARED[int(rng.integers(len(NEAR_INFRARED)))]]
        image = to_gray(render(identity, sample_capture(rng, camera)).image)
        try:
            outcomes.append(_pipeline().embed(image))
        except IrisError as error:
            outcomes.append(error.reason)
    return outcomes


@cache
def _pipeline() -> Pipeline:
    return Pipeline()


def _embed_eyes(seed: int, eyes: list[tuple[int, str, int]]) -> list[list[_Outcome]]:
    return [embed_eye(seed, *eye) for eye in eyes]


def _missing(manifest: Manifest, eyes: int, probes: int) -> Iterator[tuple[int, str, int]]:
    """Subject, eye and number of captures of each eye that the manifest does not hold yet."""
    for number in range(eyes):
        subject, eye, captures = number // 2 + 1, "LR"[number % 2], 2 if number < probes else 1
        if manifest.get(_name(subject, eye, captures)) is None:
            yield subject, eye, captures


def _name(subject: int, eye: str, capture: int) -> str:
    return f"{subject:06d}/{eye}/{subject:06d}{eye}{capture:02d}.png"


def _record(out: Path, name: str, outcome: _Outcome) -> Record:
    """Write the embedding, if there is one; returns the record."""
    if isinstance(outcome, str):
        return {"path": name, "status": "failed", "reason": outcome}
    record: Record = {"path": name, "status": "ok", "embedding": output_file("embedding", name)}
    content = io.BytesIO()
    np.save(content, outcome)
    make_folder((out / record["embedding"]).parent)
    write_bytes_atomic(out / record["embedding"], content.getvalue())
    return record


@click.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--eyes", default=100_000, show_default=True, type=click.IntRange(2), help="Eyes of the gallery.")
@click.option("--probes", default=2000, show_default=True, type=click.IntRange(1), help="Eyes with a second picture.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=0.0, help="Stop after so long, to go on another time; 0: never.")
def cli(*, out: Path, eyes: int, probes: int, seed: int, workers: int, seconds: float) -> None:
    """Embed rendered eyes."""
    make_folder(out)
    started = time.monotonic()
    with locked(out), Manifest(out) as manifest, rendering_pool(workers) as pool:
        left = list(_missing(manifest, eyes, probes))
        tasks = (left[i : i + _EYES_OF_A_TASK] for i in range(0, len(left), _EYES_OF_A_TASK))
        with ProgressBar("eyes", len(left), shown=sys.stderr.isatty()) as bar:
            while some := list(islice(tasks, 4 * workers)):
                for task, outcomes in zip(some, pool.map(_embed_eyes, [seed] * len(some), some), strict=True):
                    for (subject, eye, _), of_eye in zip(task, outcomes, strict=True):
                        names = [_name(subject, eye, capture) for capture in range(1, len(of_eye) + 1)]
                        manifest.add([_record(out, *each) for each in zip(names, of_eye, strict=True)])
                    bar.advance(len(task))
                if seconds and time.monotonic() - started > seconds:
                    break


if __name__ == "__main__":
    cli()
