"""Which parts of an eye the pixels of a picture belong to, as a small convolutional network sees them.

The network was trained on rendered eyes alone (`irisstn.training.segmenter`; see weights/CARD.md) and runs in OpenCV's
own DNN module. It looks twice: at the whole picture, to find the eye, and then closer, with the iris at the size that
it knows best.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np

from irisstn.errors import WeightsError
from irisstn.geometry import Float32, Gray
from irisstn.weights import SEGMENTER, SHIPPED

SIZE = (96, 128)  # (H, W) of the pictures that the network was trained on
GRID = 16  # what the sides of a picture that it takes are multiples of
IRIS_RADIUS = 30.0  # pixels of an iris's radius in the closer predict_part_maps
_WEIGHTS = SHIPPED / SEGMENTER

_loaded = threading.local()  # OpenCV's networks must not be shared by threads


@dataclass(frozen=True, slots=True, eq=False)
class PartMaps:
    """How likely each pixel belongs to a part of the eye: maps (H, W), 0..1.

    `pupil` and `iris` are the whole discs, the iris's with the pupil, both with what lids and glints hide; `opening` is
    what lies between the lids.
    """

    pupil: Float32
    iris: Float32
    opening: Float32


def predict_part_maps(picture: Gray) -> PartMaps:
    """The parts of the eye in `picture` (H, W), with sides that are multiples of `GRID`.

    Raises WeightsError where the weights cannot be read.
    """
    height, width = picture.shape
    if height % GRID or width % GRID:
        raise ValueError(f"the network looks at pictures with sides of multiples of {GRID}, got {picture.shape}")
    network, last = _network(height, width)
    network.setInput(standardized(picture)[None, None])
    logits = np.asarray(network.forward(last), np.float32)
    likely = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    # Channels of four are the pixels of 2 x 2: numpy lays them out five times as fast as the network's last layer.
    cells = likely.reshape(-1, 2, 2, height // 2, width // 2)
    return PartMaps(*cells.transpose(0, 3, 1, 4, 2).reshape(-1, height, width))


def standardized(picture: Gray) -> Float32:
    """`picture` (H, W) with mean 0 and standard deviation about 1, as the network was trained on."""
    levels = picture.astype(np.float32) / 255
    mean, deviation = cv2.meanStdDev(levels)
    return np.asarray((levels - mean[0, 0]) / (deviation[0, 0] + 0.02), np.float32)


@cache
def weights_hash() -> str:
    """SHA-256 of the network's weights: what a result depends on beside the settings.

    Raises WeightsError where they cannot be read.
    """
    try:
        return sha256(_WEIGHTS.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"{_WEIGHTS} cannot be read: {error.strerror}; install irisstn anew") from None


def _network(height: int, width: int) -> tuple[cv2.dnn.Net, str]:
    """The network for pictures of one size, which it would have to be set up for anew; and its last convolution."""
    networks: dict[tuple[int, int], tuple[cv2.dnn.Net, str]] = _loaded.__dict__.setdefault("networks", {})
    if (height, width) not in networks:
        try:
            network = read_network(_WEIGHTS)
        except (cv2.error, OSError) as error:
            raise WeightsError(f"{_WEIGHTS} cannot be read: {error}; install irisstn anew") from None
        last = [name for name in network.getLayerNames() if network.getLayer(name).type == "Convolution"][-1]
        networks[height, width] = network, last
    return networks[height, width]


def read_network(path: Path) -> cv2.dnn.Net:
    """The network in the ONNX file at `path`. Raises cv2.error where it cannot be read."""
    engine = getattr(cv2.dnn, "ENGINE_CLASSIC", None)  # of OpenCV 5: there the newer one is slower on the CPU
    return cv2.dnn.readNetFromONNX(str(path)) if engine is None else cv2.dnn.readNetFromONNX(str(path), engine)
