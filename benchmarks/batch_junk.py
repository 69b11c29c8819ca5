"""Damaged files through the folder runner: each must get a record, and none may crash the run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from batch_runs import Row, run

from irisstn.datasets import find_images
from irisstn.images import read_gray
from irisstn.outputs.manifest import read_manifest

FORMATS = (".png", ".jpg", ".bmp", ".tiff", ".jp2", ".webp", ".gif", ".pgm", ".ppm")


def write_junk(eyes: Path, out: Path, *, count: int, seed: int) -> None:
    """Write damaged image files.

    Parameters
    ----------
    eyes : Path
        Folder of images, which are reduced by half, encoded in all formats and then damaged.
    out : Path
        Folder of the files; it must not exist.
    count : int
        Number of files.
    seed : int
        Seed of formats and damages.
    """
    rng = np.random.default_rng(seed)
    samples = find_images([eyes])
    out.mkdir(parents=True)
    for number in range(count):
        suffix = FORMATS[number % len(FORMATS)]
        image = read_gray(samples[int(rng.integers(len(samples)))].path)
        data = bytearray(_encoded(cv2.resize(image, None, fx=0.5, fy=0.5), suffix, rng))
        kind = ("cut", "flip", "splice", "values", "shuffle")[number // len(FORMATS) % 5]
        (out / f"{number:05d}-{kind}{suffix}").write_bytes(_damaged(data, kind, rng))


def _encoded(image: cv2.typing.MatLike, suffix: str, rng: np.random.Generator) -> bytes:
    if suffix in (".png", ".tiff") and rng.random() < 0.3:
        image = image.astype(np.uint16) * 257
    elif suffix != ".pgm" and (suffix in (".ppm", ".gif", ".webp") or rng.random() < 0.3):
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return bytes(cv2.imencode(suffix, image)[1])


def _damaged(data: bytearray, kind: str, rng: np.random.Generator) -> bytes:
    head = min(len(data), int(rng.choice([16, 64, 256, 1024])))
    if kind == "cut":
        del data[int(rng.integers(len(data))) :]
    elif kind == "flip":
        for _ in range(int(rng.integers(1, 65))):
            data[int(rng.integers(head if rng.random() < 0.5 else len(data)))] ^= 1 << int(rng.integers(8))
    elif kind == "splice":  # the header of one format before the data of another
        other = bytes(cv2.imencode(str(rng.choice(FORMATS[:4])), np.full((240, 320), 128, np.uint8))[1])
        data[: len(other[:head])] = other[:head]
    elif kind == "values":  # extreme values at the position of sizes and lengths
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(2, head - 4))
            value = int(rng.choice([0, 1, 0x7FFF, 0xFFFF, 30_000, 5_600, 0x7FFFFFFF, 0xFFFFFFFF]))
            data[at : at + 4] = value.to_bytes(4, "big" if rng.random() < 0.5 else "little")
    else:
        a, b, size = (int(rng.integers(1, len(data) // 2)) for _ in range(3))
        data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    return bytes(data)


def segment_junk(eyes: Path, scratch: Path, *, count: int, workers: int, seed: int) -> Row:
    """Write damaged files and run `irisstn segment` on them.

    Parameters
    ----------
    eyes, count, seed
        As in `write_junk`.
    scratch : Path
        An empty folder.
    workers : int
        Worker processes.

    Returns
    -------
    Row
        Numbers of files, records and outcomes; time and memory.
    """
    junk, out = scratch / "junk", scratch / "junk-out"
    write_junk(eyes, junk, count=count, seed=seed)
    finished = run("segment", junk, "-o", out, "--workers", workers, timeout_s=60 + count)
    records = list(read_manifest(out))
    outcomes = Counter(str(record.get("stage", "ok")) for record in records)
    return {
        "files": count,
        "workers": workers,
        "seed": seed,
        "exit code": finished.code,
        "records": len({str(record["path"]) for record in records}),
        **{f"outcome {stage}": number for stage, number in sorted(outcomes.items())},
        "slowest file, s": max(float(str(record["seconds"])) for record in records),
        "peak of the largest process, MB": round(finished.peak_mb),
        "seconds": round(finished.seconds),
    }
