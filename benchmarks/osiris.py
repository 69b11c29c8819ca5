"""Segmentation by OSIRIS v4.1 (Othman, Dorizzi & Garcia-Salicetti 2016), the C++ reference of iris recognition.

OSIRIS was written for OpenCV 2. To build it with OpenCV 4, write headers `cv.h` and `highgui.h` that include OpenCV's C
interface and `<map>`, and that define cvLoadImage, cvSaveImage, cvMean (the mean under a mask), cvShowImage, cvWaitKey
(both may be empty) and a cvDiv with x / 0 = 0: OpenCV 4 computes NaN for 0 / 0, and then no pupil is ever found.
In OsiCircle.cpp the message of a negative radius, text + int, must become text + std::to_string(int), or it may crash.
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

# Pixels, from the example for ICE 2005 in its manual. Its defaults end at pupils of 91 pixels, and a third of
# CASIA-Iris-Interval has larger ones. Tighter bounds are no better: OSIRIS tests few radii, and never the largest.
DIAMETERS = {"pupil": (50, 160), "iris": (160, 300)}


@dataclass(frozen=True)
class OsirisIris:
    """Result of OSIRIS for one image.

    Attributes
    ----------
    mask : NDArray[numpy.bool_], shape (H, W)
        True = usable iris.
    pupil, limbus : tuple of float
        Centres (x, y) of both boundaries, pixels.
    """

    mask: NDArray[np.bool_]
    pupil: tuple[float, float]
    limbus: tuple[float, float]


def run_osiris(binary: Path, paths: Sequence[Path]) -> tuple[list[OsirisIris | None], float, float]:
    """Segment images with one process of OSIRIS.

    Parameters
    ----------
    binary : Path
        The program.
    paths : sequence of Path
        Image files.

    Returns
    -------
    found : list of (OsirisIris or None)
        Results; None where no mask was written.
    core_ms, wall_ms : float
        Mean CPU time and elapsed time per image, from its file to the mask's file, ms.

    Raises
    ------
    click.ClickException
        Where the exit code is not 0.
    """
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        names = [f"{index:06d}" for index in range(len(paths))]  # a blank would split a name in its list
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
    points = numbers[2:].reshape(-1, 3)[:, :2]  # x, y, angle; first the points of the pupil, whose number comes first
    pupil, limbus = np.split(points, [int(numbers[0])])
    return OsirisIris(read_gray(folder / f"{name}_mask.bmp") > 127, _centre(pupil), _centre(limbus))


def _centre(points: NDArray[np.float64]) -> tuple[float, float]:
    """Centre of the least-squares circle (Kasa 1976), with which OSIRIS fits circles to contours."""
    system = np.c_[2 * points, np.ones(len(points))]
    x, y, _ = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    return float(x), float(y)
