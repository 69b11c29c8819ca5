"""Let OSIRIS v4.1 (Othman, Dorizzi & Garcia-Salicetti 2016), the C++ reference of iris recognition, segment pictures.

OSIRIS was written for OpenCV 2. Under OpenCV 4 it needs headers `cv.h` and `highgui.h` that include its C interface and
`<map>`, and define cvLoadImage, cvSaveImage, cvMean (the mean under a mask), cvShowImage, cvWaitKey (both may be empty)
and a cvDiv whose quotient by 0 is 0: OpenCV 4 gives nan for 0 / 0, and then no pupil is found in any picture. In
OsiCircle.cpp the message of a negative radius, text + int, must become text + std::to_string(int), or it may crash.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn import read_gray

# In pixels, as its manual sets them for ICE 2005. Its defaults end at pupils of 91, and a third of CASIA-Iris-Interval
# has wider ones. Bounds close around a set's true sizes do no better: OSIRIS tries few radii, and never the largest.
DIAMETERS = {"pupil": (50, 160), "iris": (160, 300)}


@dataclass(frozen=True)
class OsirisIris:
    """What OSIRIS finds in a picture: its mask (H, W), True = usable, and the centres (x, y) of both boundaries."""

    mask: NDArray[np.bool_]
    pupil: tuple[float, float]
    limbus: tuple[float, float]


def run_osiris(binary: Path, paths: Sequence[Path]) -> tuple[list[OsirisIris | None], float, float]:
    """Let one process of `binary` segment `paths`.

    Returns what it found, None where it wrote no mask, and the mean milliseconds a picture took of one core and of the
    wall, from the file to the mask's file. Raises click.ClickException if the process ends otherwise than with 0.
    """
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        names = [f"{index:06d}" for index in range(len(paths))]  # a name with a blank would be two in its list
        for name, path in zip(names, paths, strict=True):
            cv2.imwrite(str(folder / f"{name}.bmp"), read_gray(path))
        (folder / "list.txt").write_text("".join(f"{name}.bmp\n" for name in names))
        config = {
            "Process segmentation": "yes",
            "List of images": "list.txt",
            "Load original images": "./",
            "Save masks of iris": "./",
            "Save contours parameters": "./",
            "Suffix for masks of iris": "_mask.bmp",
            "Suffix for parameters": "_para.txt",
        }
        for part, (smallest, largest) in DIAMETERS.items():
            config |= {f"Minimum diameter for {part}": str(smallest), f"Maximum diameter for {part}": str(largest)}
        (folder / "osiris.ini").write_text("".join(f"{key} = {value}\n" for key, value in config.items()))
        one_core = os.environ | {"OPENCV_FOR_THREADS_NUM": "1"}
        command = [str(binary.resolve()), "osiris.ini"]
        before, start = os.times(), time.perf_counter()
        done = subprocess.run(command, check=False, capture_output=True, cwd=folder, env=one_core)
        wall, after = time.perf_counter() - start, os.times()
        if done.returncode != 0:
            raise click.ClickException(f"{binary} ended with {done.returncode}: {done.stdout[-200:]!r}")
        core = after.children_user - before.children_user + after.children_system - before.children_system
        return [_read(folder, name) for name in names], 1000 * core / len(paths), 1000 * wall / len(paths)


def _read(folder: Path, name: str) -> OsirisIris | None:
    if not all((folder / f"{name}{suffix}").exists() for suffix in ("_mask.bmp", "_para.txt")):
        return None
    numbers = np.array((folder / f"{name}_para.txt").read_text().split(), np.float64)
    points = numbers[2:].reshape(-1, 3)[:, :2]  # x, y, angle; the pupil's first, as many as the first number says
    pupil, limbus = np.split(points, [int(numbers[0])])
    return OsirisIris(read_gray(folder / f"{name}_mask.bmp") > 127, _centre(pupil), _centre(limbus))


def _centre(points: NDArray[np.float64]) -> tuple[float, float]:
    """The centre of the circle fitted by least squares (Kasa), as OSIRIS fits its circles to its contours."""
    system = np.c_[2 * points, np.ones(len(points))]
    x, y, _ = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    return float(x), float(y)
