"""From pictures to segmentations, rectified strips and embeddings, with one object.

pipeline = irisstn.Pipeline()                       # without torch where ONNX Runtime is installed
strip = pipeline.rectify("eye.png").strip
embeddings = pipeline.embed(["a.png", "b.png"])     # (2, 512)
pipeline.compare("a.png", "b.png").decision         # "match", "no match" or "undecided"
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from irisstn.errors import IrisError
from irisstn.geometry import Gray
from irisstn.gray_levels import to_gray
from irisstn.image_decoding import pillow_to_gray
from irisstn.images import read_gray
from irisstn.networks import (
    Recognizer,
    RuntimeChoice,
    chosen_runtime,
    load_recognizer,
    load_rectifier,
    recognizer_files,
    rectifier_file,
    require_runtime,
)
from irisstn.normalization import DEFAULT_SIZE, normalize, require_size
from irisstn.quality import measure_quality
from irisstn.recognition.calibration import Calibration
from irisstn.recognition.comparison import Comparison, compare, quality_doubts
from irisstn.rectification.rectified import Rectified
from irisstn.rectification.roll_setting import EMBEDDING_ROLL_PRIOR_DEG, RollMode, RollSetting
from irisstn.results import Segmentation
from irisstn.segmentation import SegmentationConfig, segment_as
from irisstn.segmentation.config import require_config

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from irisstn.rectification.rectifier_methods import RectifierMethods

    Picture = str | Path | NDArray[np.generic] | PillowImage

Result = TypeVar("Result")


class Pipeline:
    """Segments, rectifies and embeds pictures, one by one, as the commands of the same names do.

    A picture is a path (str or Path), an array of gray levels or in OpenCV's order of channels (BGR), or a Pillow
    image; a list of pictures gives a list of results in its order, each equal to the bit to that of the picture alone.
    Several threads may use one object at once. Networks are loaded when they are first used.

    Parameters
    ----------
    model : str or Path, optional
        Folder of a training run, whose networks are used as in `irisstn embed --model`; None for the shipped ones.
    rectifier, recognizer : str or Path, optional
        Weights files in place of those of `model`.
    runtime : {"auto", "torch", "onnx"}
        What runs the networks; "auto" takes ONNX Runtime for the shipped ones where it is installed.
    size : tuple of int
        (R, T) of the strips of `rectify`.
    roll : {"auto", "full", "none"}
        How much of the head's roll `rectify` corrects; `embed` and `compare` correct as much as `irisstn embed`.
    roll_prior_deg : float, optional
        See `irisstn.Rectifier.with_roll`; None for the default.
    segmentation : SegmentationConfig
        Settings of the segmentation.

    Raises
    ------
    ValueError
        For another runtime, mode or prior, a size that is not two integers from 1 to 4096, or a `model` that is no
        folder.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        rectifier: str | Path | None = None,
        recognizer: str | Path | None = None,
        runtime: RuntimeChoice = "auto",
        size: tuple[int, int] = DEFAULT_SIZE,
        roll: RollMode = "auto",
        roll_prior_deg: float | None = None,
        segmentation: SegmentationConfig = SegmentationConfig(),
    ) -> None:
        if runtime not in ("auto", "torch", "onnx"):
            raise ValueError(f"the runtime must be auto, torch or onnx, got {runtime!r}")
        if model is not None and not Path(model).is_dir():
            raise ValueError(f"model must be the folder of a run, got {model}: give a file as rectifier or recognizer")
        self.runtime, self.size, self.segmentation = runtime, require_size(size), require_config(segmentation)
        self.roll = RollSetting(roll) if roll_prior_deg is None else RollSetting(roll, roll_prior_deg)
        self._model, self._rectifier_path, self._recognizer_path = model, rectifier, recognizer
        self._lock = threading.Lock()
        self._loaded: dict[str, Any] = {}

    @overload
    def segment(self, pictures: Picture) -> Segmentation: ...  # type: ignore[overload-overlap]  # a str is a sequence
    @overload
    def segment(self, pictures: Sequence[Picture]) -> list[Segmentation]: ...
    def segment(self, pictures: Picture | Sequence[Picture]) -> Segmentation | list[Segmentation]:
        """Find pupil, iris, eyelids and occlusions.

        Parameters
        ----------
        pictures : str, Path, ndarray, PIL.Image.Image or a list of them
            Photographs of an eye, or irises with all else cut out.

        Returns
        -------
        Segmentation or list of Segmentation
            In pixels of the picture.

        Raises
        ------
        IrisError
            Where a picture cannot be read or no iris is found. Of a list, the picture is named.
        """
        return _each(pictures, self._segmented)

    @overload
    def rectify(self, pictures: Picture) -> Rectified: ...  # type: ignore[overload-overlap]  # a str is a sequence
    @overload
    def rectify(self, pictures: Sequence[Picture]) -> list[Rectified]: ...
    def rectify(self, pictures: Picture | Sequence[Picture]) -> Rectified | list[Rectified]:
        """Segment pictures and compute their rectified strips.

        Parameters
        ----------
        pictures
            As in `segment`.

        Returns
        -------
        Rectified or list of Rectified
            Strips and the parameters of their transforms.

        Raises
        ------
        IrisError
            As in `segment`, and where weights cannot be used or the runtime is not installed.
        """
        rectifier = self._once("rectifier", self._load_rectifier)
        rectifier = rectifier.with_roll(self.roll.mode, self.roll.prior_deg)
        return _each(pictures, lambda image: rectifier.rectify_eye(image, self._segmented(image), self.size))

    def embed(self, pictures: Picture | Sequence[Picture]) -> NDArray[np.float32]:
        """Segment and rectify pictures, and compute their embeddings.

        Parameters
        ----------
        pictures
            As in `segment`.

        Returns
        -------
        ndarray of float32, shape (D,) or (N, D)
            Embeddings of length 1, which are compared by their cosine.

        Raises
        ------
        IrisError
            As in `rectify`.
        """
        networks = self._networks()
        found = _each(pictures, lambda image: _embedded(image, self._segmented(image), networks))
        return found if isinstance(found, np.ndarray) else np.stack(found) if found else networks.recognizer.embed([])

    def compare(self, a: Picture, b: Picture) -> Comparison:
        """Compare the irises of two pictures by their embeddings, as `irisstn match A B` does.

        Parameters
        ----------
        a, b : str, Path, ndarray or PIL.Image.Image
            The pictures.

        Returns
        -------
        Comparison
            Similarity, false match rate, likelihood ratio and decision; undecided where a picture is of low quality.

        Raises
        ------
        IrisError
            As in `embed`, and where the networks have no calibration.
        """
        networks = self._networks()
        embeddings, doubts = [], []
        for name, picture in (("first", a), ("second", b)):
            image = _gray(picture)
            found = self._segmented(image)
            embeddings.append(_embedded(image, found, networks))
            concerns = quality_doubts(measure_quality(image, found), found.confidence)
            doubts += [f"{name} picture: {doubt}" for doubt in concerns]
        given, digest = self._recognizer_path or self._model, networks.recognizer.weights_sha256
        calibration = self._once("calibration", lambda: Calibration.load_beside(given, recognizer_sha256=digest))
        return compare(*embeddings, calibration=calibration, doubts=doubts)

    def _networks(self) -> _Networks:
        return self._once("networks of embed", self._load_networks)

    def _segmented(self, image: Gray) -> Segmentation:
        return segment_as("auto", image, self.segmentation)[0]

    def _once(self, name: str, load: Callable[[], Result]) -> Result:
        """What `load` returned when it was first called for `name`."""
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load()
            found: Result = self._loaded[name]
            return found

    def _load_rectifier(self) -> RectifierMethods[Any]:
        given = self._rectifier_path or self._model
        runtime = chosen_runtime(self.runtime, given)
        require_runtime(runtime, "Pipeline.rectify")
        return load_rectifier(rectifier_file(given, runtime), runtime)

    def _load_networks(self) -> _Networks:
        given = self._recognizer_path or self._model
        runtime = rectified_by = chosen_runtime(self.runtime, given)
        require_runtime(runtime, "Pipeline.embed")
        recognizer, rectifier = recognizer_files(given, runtime)
        if self._rectifier_path is not None or (self._recognizer_path is not None and self._model is not None):
            before = self._rectifier_path or self._model
            rectified_by = chosen_runtime(self.runtime, before)
            rectifier = rectifier_file(before, rectified_by)
        network = load_recognizer(recognizer, runtime)
        if rectifier is None:
            return _Networks(network, None)
        rectifies = load_rectifier(rectifier, rectified_by)
        return _Networks(network, rectifies.with_roll("auto", EMBEDDING_ROLL_PRIOR_DEG))


class _Networks(NamedTuple):
    """The recognition network, and the rectifier before it."""

    recognizer: Recognizer
    rectifier: RectifierMethods[Any] | None


def _embedded(image: Gray, found: Segmentation, networks: _Networks) -> NDArray[np.float32]:
    """The embedding (D,) of one iris."""
    rectifier = networks.rectifier
    strip = normalize(image, found) if rectifier is None else rectifier.rectify_eye(image, found).strip
    return networks.recognizer.embed(strip)


def _each(pictures: Picture | Sequence[Picture], compute: Callable[[Gray], Result]) -> Result | list[Result]:
    """The result of one picture, or a list of those of several."""
    if not isinstance(pictures, Sequence) or isinstance(pictures, str | bytes):
        return compute(_gray(pictures))
    results = []
    for number, picture in enumerate(pictures, start=1):
        try:
            results.append(compute(_gray(picture)))
        except IrisError as error:
            name = str(picture) if isinstance(picture, str | Path) else "an array or image"
            reason = f"picture {number} of {len(pictures)} ({name}): {error.reason}"
            raise type(error)(reason, stage=error.stage) from None
    return results


def _gray(picture: Picture) -> Gray:
    """A picture of any kind as 8-bit gray."""
    if isinstance(picture, str | Path):
        return read_gray(Path(picture))
    if isinstance(picture, np.ndarray):
        return to_gray(picture)
    from PIL import Image  # noqa: PLC0415  (only where somebody else has imported it)

    if isinstance(picture, Image.Image):
        return pillow_to_gray(picture)
    raise ValueError(f"a picture is a path, an array or a Pillow image, got {type(picture).__name__}")
