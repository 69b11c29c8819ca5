"""The networks by the program that runs them, PyTorch or ONNX Runtime: which file belongs to which, and loading it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from irisstn.errors import MissingExtraError, WeightsError
from irisstn.extras import is_installed, require_extra
from irisstn.onnx_files import read_about
from irisstn.recognition.config import RECOGNIZER_KIND
from irisstn.results import Strip
from irisstn.weights import ONNX_RECOGNIZER, ONNX_RECTIFIER, RECOGNIZER, RECTIFIER, SHIPPED

if TYPE_CHECKING:
    from irisstn.rectification.rectifier_methods import RectifierMethods

Runtime = Literal["torch", "onnx"]
RuntimeChoice = Literal["auto", "torch", "onnx"]
_RECTIFIERS: dict[Runtime, str] = {"torch": RECTIFIER, "onnx": ONNX_RECTIFIER}
_RECOGNIZERS: dict[Runtime, str] = {"torch": RECOGNIZER, "onnx": ONNX_RECOGNIZER}


class Recognizer(Protocol):
    """What `StripNet`, `FoldedStripNet` and `OnnxRecognizer` have in common."""

    @property
    def weights_sha256(self) -> str:
        """To which network a calibration belongs."""

    @overload
    def embed(self, strips: Strip) -> NDArray[np.float32]: ...
    @overload
    def embed(self, strips: Sequence[Strip]) -> NDArray[np.float32]: ...
    def embed(self, strips: Strip | Sequence[Strip]) -> NDArray[np.float32]:
        """Embeddings (D,) or (N, D) of strips."""


def chosen_runtime(choice: RuntimeChoice, model: str | Path | None) -> Runtime:
    """What runs the networks where the user leaves it open.

    The shipped networks run in ONNX Runtime unless torch alone is installed: it starts sooner and takes about half of
    the time. A file decides by its suffix. The folder of a training run is run by torch where it holds torch's weights,
    because its ONNX files may have been exported from earlier ones.

    Parameters
    ----------
    choice : {"auto", "torch", "onnx"}
        "auto" chooses; another one is returned as it is.
    model : str or Path, optional
        A file or the folder of a training run; None for the networks that irisstn ships.

    Returns
    -------
    {"torch", "onnx"}
        What runs them; it may not be installed.
    """
    if choice != "auto":
        return choice
    if model is None:
        return "torch" if is_installed("torch") and not is_installed("onnx") else "onnx"
    path = Path(model)
    if not path.is_dir():
        return "onnx" if path.suffix == ".onnx" else "torch"
    trained = any((path / name).exists() for name in (RECTIFIER, RECOGNIZER))
    exported = any((path / name).exists() for name in (ONNX_RECTIFIER, ONNX_RECOGNIZER))
    return "onnx" if exported and not trained else "torch"


def require_runtime(runtime: Runtime, what: str) -> None:
    """Check that the program that runs the networks is installed.

    Parameters
    ----------
    runtime : {"torch", "onnx"}
        Which one.
    what : str
        What needs it, for the message.

    Raises
    ------
    MissingExtraError
        Where it is not; the message names the other one if that is installed.
    """
    try:
        require_extra(runtime, what)
    except MissingExtraError as error:
        other: Runtime = "onnx" if runtime == "torch" else "torch"
        hint = f"; or choose the runtime {other}, which is installed" if is_installed(other) else ""
        raise MissingExtraError(error.reason + hint) from None


def rectifier_file(model: str | Path | None, runtime: Runtime) -> Path:
    """The file of a rectifier.

    Parameters
    ----------
    model : str or Path, optional
        A file, or the folder of a training run; None for the rectifier that irisstn ships.
    runtime : {"torch", "onnx"}
        What runs it.

    Returns
    -------
    Path
        The file, which may not exist.

    Raises
    ------
    WeightsError
        Where the file is one for the other runtime.
    """
    return _in_folder(SHIPPED if model is None else Path(model), _RECTIFIERS[runtime], runtime)


def recognizer_files(model: str | Path | None, runtime: Runtime) -> tuple[Path, Path | None]:
    """The files of a recognition network, and of the rectifier before it.

    Parameters
    ----------
    model : str or Path, optional
        A file is a recognition network, used with the shipped rectifier. The folder of a training run is used with the
        networks that it holds: both; the recognition network alone, without a rectifier; or the rectifier, with the
        shipped recognition network. None for the networks that irisstn ships.
    runtime : {"torch", "onnx"}
        What runs them.

    Returns
    -------
    recognizer : Path
        The file, which may not exist.
    rectifier : Path or None
        That of the rectifier.

    Raises
    ------
    WeightsError
        Where the file is one for the other runtime.
    """
    run = SHIPPED if model is None else Path(model)
    recognizer = _in_folder(run, _RECOGNIZERS[runtime], runtime)
    rectifier = (run if run.is_dir() else SHIPPED) / _RECTIFIERS[runtime]
    if run.is_dir() and not recognizer.exists() and rectifier.exists():
        recognizer = SHIPPED / _RECOGNIZERS[runtime]
    return recognizer, rectifier if rectifier.exists() else None


def load_rectifier(path: Path | None, runtime: Runtime, *, threads: int | None = None) -> RectifierMethods[Any]:
    """Load a rectifier.

    Parameters
    ----------
    path : Path, optional
        The file or folder; None for the one that irisstn ships.
    runtime : {"torch", "onnx"}
        What runs it.
    threads : int, optional
        Threads of ONNX Runtime; those of torch are set for the whole process.

    Returns
    -------
    Rectifier or OnnxRectifier
        The rectifier.

    Raises
    ------
    WeightsError
        Where the file cannot be used.
    MissingExtraError
        Where the runtime is not installed.
    """
    require_runtime(runtime, "the rectifier")
    if runtime == "onnx":
        from irisstn.rectification.onnx_rectifier import OnnxRectifier  # noqa: PLC0415

        return OnnxRectifier.load(path, threads=threads)
    from irisstn.rectification.rectifier import Rectifier  # noqa: PLC0415  (imports torch, which is slow)

    return Rectifier.load(path)


def load_recognizer(path: Path | None, runtime: Runtime, *, threads: int | None = None) -> Recognizer:
    """Load a recognition network; see `load_rectifier` for the arguments."""
    require_runtime(runtime, "the recognition network")
    if runtime == "onnx":
        from irisstn.recognition.onnx_recognizer import OnnxRecognizer  # noqa: PLC0415

        return OnnxRecognizer.load(path, threads=threads)
    from irisstn.recognition.network import StripNet  # noqa: PLC0415  (imports torch, which is slow)

    return StripNet.load(path).folded()


def exported_digest(path: Path) -> str:
    """`Recognizer.weights_sha256` of a recognition network for ONNX Runtime, which is not loaded for it.

    Raises
    ------
    WeightsError
        Where the file cannot be read, or holds no such network.
    """
    return read_about(path, ONNX_RECOGNIZER, RECOGNIZER_KIND).get("weights_sha256", "")


def _in_folder(model: Path, name: str, runtime: Runtime) -> Path:
    """`model`, or the file `name` in it."""
    if model.is_dir():
        return model / name
    if runtime == "onnx" and model.suffix == ".safetensors":
        raise WeightsError(f"{model} is for torch: irisstn export --model {model} writes the file for ONNX Runtime")
    if runtime == "torch" and model.suffix == ".onnx":
        raise WeightsError(f"{model} is for ONNX Runtime: choose the runtime onnx")
    return model
