"""Describe and test the installation, for `irisstn doctor` and for bug reports."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import cv2
import numpy as np

from irisstn.errors import ImageError, IrisError
from irisstn.extras import EXTRAS, install_command, is_installed
from irisstn.images import decode_gray
from irisstn.networks import Runtime, load_rectifier
from irisstn.normalization import normalize
from irisstn.results import Strip
from irisstn.segmentation import segment
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture
from irisstn.weights import SHIPPED

PACKAGES = ("irisstn", "numpy", "opencv-python-headless", "pillow", "pydantic")
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
        yield package, _version(package)
    for extra, modules in EXTRAS.items():
        parts = [f"{module} {_version(module)}" for module in modules]
        missing = "" if is_installed(extra) else f"; {install_command(extra)}"
        yield f"irisstn[{extra}]", ", ".join(parts) + missing
    if is_installed("torch"):
        import torch  # noqa: PLC0415  (an extra)

        devices = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        yield "devices", ", ".join([f"CPU, {torch.get_num_threads()} threads", *devices])
    yield "formats", " ".join(suffix for suffix in _SUFFIXES if _can_read(suffix))
    weights = sorted([*SHIPPED.glob("*.onnx"), *SHIPPED.glob("*.safetensors")])
    for path in weights:
        yield path.name, f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    if not weights:
        yield "weights", "missing"


def self_test() -> str | None:
    """Segment and normalize a rendered eye and, where torch or ONNX Runtime is installed, rectify it.

    Returns
    -------
    str or None
        What is wrong; None if all stages work.
    """
    eye = render(Identity.from_seed(1), sample_capture(np.random.default_rng(1), CAMERAS["ring-320x280"]))
    try:
        segmentation = segment(eye.image)
        strip = normalize(eye.image, segmentation)
        rectified = _rectified(strip)
    except IrisError as error:
        return str(error)
    found, true = segmentation.iris_mask, eye.truth.iris_mask
    f1 = 2 * (found & true).sum() / (found.sum() + true.sum())
    if f1 < 0.9:
        return f"the iris mask of a rendered eye has an F1 of only {f1:.2f}"
    if rectified is not None and rectified.size != strip.size:
        return f"rectification changed the size of a strip from {strip.size} to {rectified.size}"
    return None


def _rectified(strip: Strip) -> Strip | None:
    """The rectified strip; None where neither torch nor ONNX Runtime is installed."""
    runtimes: list[Runtime] = ["torch", "onnx"]
    found = next((runtime for runtime in runtimes if is_installed(runtime)), None)
    return load_rectifier(None, found).rectify(strip).strip if found is not None else None


def _version(module: str) -> str:
    """The installed version of the distribution of a module, or "missing"."""
    try:
        return version(module)
    except PackageNotFoundError:
        return "missing"


def _can_read(suffix: str) -> bool:
    """Whether this build of OpenCV writes and reads pictures with `suffix`."""
    picture = np.full((64, 64, 3), 128, np.uint8)
    try:
        return decode_gray(bytes(cv2.imencode(suffix, picture)[1])).shape == (64, 64)
    except (cv2.error, ImageError):
        return False
