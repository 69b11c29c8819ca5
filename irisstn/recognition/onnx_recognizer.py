"""The recognition network in ONNX Runtime, for programs without torch.

recognizer = irisstn.OnnxRecognizer.load()
embedding = recognizer.embed(rectified.strip)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from irisstn.errors import WeightsError, one_line
from irisstn.geometry import Float
from irisstn.onnx_files import OnnxNetwork
from irisstn.recognition.config import RECOGNIZER_KIND, StripNetConfig
from irisstn.results import Strip, require_strips
from irisstn.weights import ONNX_RECOGNIZER


class OnnxRecognizer:
    """The recognition network without torch: strips of any size to embeddings, which are compared by their cosine.

    Needs `pip install "irisstn[onnx]"`. Several threads may use it at once.

    Parameters
    ----------
    network : OnnxNetwork
        The file; `OnnxRecognizer.load` opens one.

    Attributes
    ----------
    config : StripNetConfig
        Shape of the network.

    Raises
    ------
    WeightsError
        Where the file's configuration is damaged.
    """

    def __init__(self, network: OnnxNetwork) -> None:
        self.network = network
        try:
            self.config = StripNetConfig.model_validate_json(network.about.get("config", ""))
        except ValidationError as error:
            raise WeightsError(f"{network.path} is damaged: {one_line(error, 200)}") from None

    @classmethod
    def load(cls, path: str | Path | None = None, *, threads: int | None = None) -> Self:
        """Load a network that `irisstn export` has written. Safe on files of unknown origin.

        Parameters
        ----------
        path : str or Path, optional
            The file, or a folder with a recognizer.onnx; None for the one that irisstn ships.
        threads : int, optional
            Threads of one run; None for one on each core.

        Returns
        -------
        OnnxRecognizer
            The network.

        Raises
        ------
        MissingExtraError
            Where ONNX Runtime is not installed.
        WeightsError
            Where the file is missing, damaged or of another kind.
        """
        return cls(OnnxNetwork.load(path, ONNX_RECOGNIZER, RECOGNIZER_KIND, threads=threads))

    @property
    def embedding_size(self) -> int:
        """Length D of an embedding."""
        return self.config.embedding_size

    @property
    def weights_sha256(self) -> str:
        """`StripNet.weights_sha256` of the network that was exported, to which a `Calibration` belongs."""
        return self.network.about.get("weights_sha256", "")

    def embed(self, strips: Strip | Sequence[Strip]) -> NDArray[np.float32]:
        """Compute embeddings.

        Strips are processed one by one, so that a result does not depend on the other strips.

        Parameters
        ----------
        strips : Strip or sequence of Strip
            One or N strips, of any sizes.

        Returns
        -------
        ndarray of float32, shape (D,) or (N, D)
            Embeddings of length 1.

        Raises
        ------
        ValueError
            For something else than strips.
        """
        require_strips(strips)
        if not isinstance(strips, Strip):
            found = [self.embed(strip) for strip in strips]
            return np.stack(found) if found else np.zeros((0, self.embedding_size), np.float32)
        image, usable = resized_strip(strips, self.config.size)
        inputs: dict[str, NDArray[np.generic]] = {"strip": image[None, None], "usable": usable[None, None]}
        (embeddings,) = self.network.run(["embedding"], inputs)
        embedding: NDArray[np.float32] = embeddings[0]
        return embedding


def resized_strip(strip: Strip, size: tuple[int, int]) -> tuple[Float, Float]:
    """Reduce or enlarge a strip by means over usable pixels, as `irisstn.recognition.local_texture.resized` does.

    Parameters
    ----------
    strip : Strip
        A strip of any size.
    size : tuple of int
        (R, T) of the result.

    Returns
    -------
    image, usable : ndarray, shape (R, T)
        Gray levels in 0..1, 0 where not usable, and the mask; a cell is usable where more than half of it is.
    """
    usable = strip.usable.astype(np.float64)
    image = strip.image / 255 * usable
    if strip.size == size:
        return image, usable
    fraction = _cell_means(usable, size)
    kept = (fraction > 0.5).astype(np.float64)
    return _cell_means(image, size) / np.maximum(fraction, 1e-3) * kept, kept


def _cell_means(plane: Float, size: tuple[int, int]) -> Float:
    """Means of a plane over the cells of `size`; where cells share a pixel, it counts in each."""
    (rows, columns), (down, across) = plane.shape, size
    if rows % down == 0 and columns % across == 0:
        # (pixels down, pixels across, rows, columns): `mean` over two axes takes seven times as long for few pixels.
        pixels = plane.reshape(down, rows // down, across, columns // across).transpose(1, 3, 0, 2)
        return np.asarray(sum(sum(row) for row in pixels) / (pixels.shape[0] * pixels.shape[1]))
    return np.asarray(_mean_weights(rows, down) @ plane @ _mean_weights(columns, across).T)


def _mean_weights(given: int, wanted: int) -> Float:
    """The matrix (wanted, given) of the means over `wanted` cells of `given` pixels."""
    number, pixel = np.arange(wanted)[:, None], np.arange(given)[None, :]
    inside = (pixel >= number * given // wanted) & (pixel < -(-(number + 1) * given // wanted))
    return np.asarray(inside / inside.sum(1, keepdims=True))
