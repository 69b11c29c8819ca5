"""Describe and test the installation, for `irisstn doctor` and for bug reports."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

import cv2
import numpy as np
import torch

from irisstn.errors import ImageError, IrisError
from irisstn.images import decode_gray
from irisstn.normalization import normalize
from irisstn.rectification.rectifier import Rectifier
from irisstn.segmentation import segment
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture
from irisstn.weights import SHIPPED

PACKAGES = ("irisstn", "numpy", "opencv-python-headless", "torch", "lightning", "albumentations", "scikit-image")
EXTRAS = ("ray", "onnxruntime")  # for `--engine ray` and `export`
_SUFFIXES = (".png", ".jpg", ".jp2", ".tiff", ".bmp", ".gif", ".webp", ".ppm")


def describe() -> Iterator[tuple[str, str]]:
    """Describe the installation.

    Yields
    ------
    name, value : str
        Versions, devices, picture formats that can be read, and the hashes of the shipped weights.
    """
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "missing"
    for package in EXTRAS:
        with suppress(PackageNotFoundError):
            yield package, version(package)
    devices = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    yield "devices", ", ".join([f"CPU, {torch.get_num_threads()} threads", *devices])
    yield "formats", " ".join(suffix for suffix in _SUFFIXES if _can_read(suffix))
    weights = sorted([*SHIPPED.glob("*.onnx"), *SHIPPED.glob("*.safetensors")])
    for path in weights:
        yield path.name, f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    if not weights:
        yield "weights", "missing"


def self_test() -> str | None:
    """Segment, normalize and rectify a rendered eye.

    Returns
    -------
    str or None
        What is wrong; None if all stages work.
    """
    eye = render(Identity.from_seed(1), sample_capture(np.random.default_rng(1), CAMERAS["ring-320x280"]))
    try:
        segmentation = segment(eye.image)
        strip = normalize(eye.image, segmentation)
        rectified = Rectifier.load().rectify(strip)
    except IrisError as error:
        return str(error)
    found, true = segmentation.iris_mask, eye.truth.iris_mask
    f1 = 2 * (found & true).sum() / (found.sum() + true.sum())
    if f1 < 0.9:
        return f"the iris mask of a rendered eye has an F1 of only {f1:.2f}"
    if rectified.strip.size != strip.size:
        return f"rectification changed the size of a strip from {strip.size} to {rectified.strip.size}"
    return None


def _can_read(suffix: str) -> bool:
    """Whether this build of OpenCV writes and reads pictures with `suffix`."""
    picture = np.full((64, 64, 3), 128, np.uint8)
    try:
        return decode_gray(bytes(cv2.imencode(suffix, picture)[1])).shape == (64, 64)
    except (cv2.error, ImageError):
        return False
