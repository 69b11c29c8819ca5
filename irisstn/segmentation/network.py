"""A small convolutional network: the probability of pupil, iris, eyelid opening and occlusion at each pixel.

The network was trained on rendered eyes alone (`irisstn.training.segmenter`; see weights/CARD-segmenter.md) and runs
in OpenCV's DNN module. `irisstn.segmentation.segment` applies it to the whole picture, to find the eye, and then to a
crop in which the iris has the size that the network was trained on.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from irisstn.errors import WeightsError
from irisstn.geometry import Float32, Gray
from irisstn.weights import SEGMENTER, SHIPPED

SIZE = (96, 128)  # (H, W) of the pictures that the network was trained on
GRID = 16  # the sides of an input must be multiples of this
IRIS_RADIUS = 30.0  # of the iris in a crop, in pixels
CROP_SIZE = (96, 112)  # (H, W) of a crop around an iris: 1.6 by 1.9 of its radii to each side
_WEIGHTS = SHIPPED / SEGMENTER

_loaded = threading.local()  # OpenCV's networks must not be shared by threads


@dataclass(frozen=True, slots=True, eq=False)
class PartMaps:
    """The probability that a pixel belongs to a part of the eye.

    Attributes
    ----------
    pupil, iris : ndarray of float32, shape (H, W)
        The whole discs, 0..1: that of the iris includes the pupil, and both include what eyelids and specular
        reflections cover.
    opening : ndarray of float32, shape (H, W)
        The opening between the eyelids, 0..1.
    occlusion : ndarray of float32, shape (H, W)
        Eyelashes and specular reflections on the iris, 0..1; elsewhere without meaning.
    """

    pupil: Float32
    iris: Float32
    opening: Float32
    occlusion: Float32


def predict_part_maps(picture: Gray) -> PartMaps:
    """Apply the network to a picture.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W)
        A picture whose sides are multiples of `GRID`.

    Returns
    -------
    PartMaps
        Maps of the size of `picture`.

    Raises
    ------
    ValueError
        Where a side is not a multiple of `GRID`.
    WeightsError
        Where the weights cannot be read.
    """
    height, width = picture.shape
    if height % GRID or width % GRID:
        raise ValueError(f"the sides of a picture must be multiples of {GRID}, got {picture.shape}")
    network, last = _network(height, width)
    network.setInput(standardized(picture)[None, None])
    logits = np.asarray(network.forward(last), np.float32).reshape(-1, width // 2)
    likely = _logistic(logits)
    # Channels of four are the pixels of 2 x 2: numpy rearranges them five times as fast as a layer of the network.
    cells = likely.reshape(-1, 2, 2, height // 2, width // 2)
    maps = np.empty((len(cells), height, width), np.float32)
    for row, column in product((0, 1), repeat=2):
        maps[:, row::2, column::2] = cells[:, row, column]
    return PartMaps(*maps)


def _logistic(logits: Float32) -> Float32:
    """1 / (1 + exp(-logits)). OpenCV's exponential function takes a quarter of the time of that of numpy."""
    value = np.asarray(cv2.exp(np.negative(logits)), np.float32)
    value += 1
    return np.divide(1, value, out=value)


def standardized(picture: Gray | Float32) -> Float32:
    """Normalise the gray levels, in training as in use.

    Parameters
    ----------
    picture : ndarray of uint8 or float32, shape (H, W)
        A picture, gray levels in 0..255.

    Returns
    -------
    ndarray of float32, shape (H, W)
        Gray levels of mean 0 and standard deviation about 1.
    """
    levels = picture.astype(np.float32) / 255
    mean, deviation = cv2.meanStdDev(levels)
    return np.asarray((levels - mean[0, 0]) / (deviation[0, 0] + 0.02), np.float32)


@cache
def weights_hash() -> str:
    """SHA-256 of the network's weights, on which a result depends besides the settings.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    WeightsError
        Where the weights cannot be read.
    """
    try:
        return sha256(_WEIGHTS.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"{_WEIGHTS} cannot be read: {error.strerror}; install irisstn anew") from None


def _network(height: int, width: int) -> tuple[cv2.dnn.Net, str]:
    """The network and the name of its last convolution; one for each input size, as a change of size is slow."""
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
    """Read a network from an ONNX file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    cv2.dnn.Net
        The network.

    Raises
    ------
    cv2.error
        Where the file cannot be read.
    """
    engine = getattr(cv2.dnn, "ENGINE_CLASSIC", None)  # OpenCV 5 has a newer engine, which is slower on the CPU
    return cv2.dnn.readNetFromONNX(str(path)) if engine is None else cv2.dnn.readNetFromONNX(str(path), engine)
