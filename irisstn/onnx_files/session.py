"""A network in an ONNX file, run by ONNX Runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from irisstn.errors import WeightsError, one_line
from irisstn.extras import extra_named
from irisstn.files import read_regular_file
from irisstn.onnx_files.metadata import onnx_metadata
from irisstn.onnx_files.pruning import keep_outputs
from irisstn.weights import MAX_BYTES, SHIPPED

if TYPE_CHECKING:
    import onnxruntime


@dataclass(frozen=True, slots=True, eq=False)
class OnnxNetwork:
    """A network that ONNX Runtime has loaded; it may be run by several threads at once.

    Attributes
    ----------
    path : Path
        The file.
    about : dict of str to str
        What `irisstn export` wrote about it: `kind`, `version`, `weights_sha256`, `config` and more.
    file_sha256 : str
        SHA-256 of the file.
    shapes : dict of str to tuple
        The shape of each input without the batch.
    """

    path: Path
    about: dict[str, str]
    file_sha256: str
    shapes: dict[str, tuple[int, ...]]
    _session: onnxruntime.InferenceSession

    @classmethod
    def load(
        cls,
        path: str | Path | None,
        file: str,
        kind: str,
        *,
        threads: int | None = None,
        outputs: Sequence[str] | None = None,
    ) -> OnnxNetwork:
        """Load a file on the CPU. Safe on files of unknown origin: other files that it refers to are not read.

        Parameters
        ----------
        path : str or Path, optional
            The file, or a folder that holds it as `file`; None for the one that irisstn ships.
        file : str
            Name of the file in a folder.
        kind : str
            The expected kind and version, such as "rectifier-4".
        threads : int, optional
            Threads of one run; None for one on each core.
        outputs : sequence of str, optional
            The outputs that will be asked for; the others are not computed. None for all.

        Returns
        -------
        OnnxNetwork
            The network.

        Raises
        ------
        MissingExtraError
            Where ONNX Runtime is not installed.
        WeightsError
            Where the file is missing, too large, damaged or of another kind.
        """
        with extra_named():
            import onnxruntime  # noqa: PLC0415  (an extra)

        whole, content = _read(path, file)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # it warns that an input with a default is not a constant, which is intended
        options.intra_op_num_threads = threads or 0
        # Threads that wait for work in a loop double the CPU time of single strips and save no time on the clock.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            kept = content if outputs is None else keep_outputs(content, outputs)
            session = onnxruntime.InferenceSession(kept, options, providers=["CPUExecutionProvider"])
            about = dict(session.get_modelmeta().custom_metadata_map)
        except Exception as error:  # its errors have no class of their own
            raise WeightsError(f"{whole} is no ONNX file, or damaged: {one_line(error, 200)}") from None
        _require_kind(whole, about, kind)
        inputs = [*session.get_inputs(), *session.get_overridable_initializers()]
        shapes = {each.name: tuple(each.shape[1:]) for each in inputs}
        return cls(whole, about, hashlib.sha256(content).hexdigest(), shapes, session)

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.generic]]) -> list[NDArray[np.float32]]:
        """Compute outputs.

        Parameters
        ----------
        outputs : sequence of str
            Their names.
        inputs : mapping of str to ndarray
            The inputs by name, (B, ...) each; converted to float32.

        Returns
        -------
        list of ndarray of float32
            The outputs, in the order of their names.
        """
        given = {name: np.ascontiguousarray(array, np.float32) for name, array in inputs.items()}
        found: Any = self._session.run(list(outputs), given)
        return list(found)


def read_about(path: str | Path | None, file: str, kind: str) -> dict[str, str]:
    """What `irisstn export` wrote about a network, as `OnnxNetwork.about`, without loading it or ONNX Runtime.

    The arguments are those of `OnnxNetwork.load`; raises WeightsError as it does, but for damage beyond the metadata.
    """
    whole, content = _read(path, file)
    try:
        about = onnx_metadata(content)
    except ValueError as error:
        raise WeightsError(f"{whole} is no ONNX file, or damaged: {one_line(error, 200)}") from None
    _require_kind(whole, about, kind)
    return about


def _require_kind(path: Path, about: Mapping[str, str], kind: str) -> None:
    """Raise WeightsError where the file holds another kind of network."""
    if about.get("kind") != kind:
        raise WeightsError(f"{path} holds {about.get('kind')!r}, not {kind!r}: write it with irisstn export")


def _read(given: str | Path | None, file: str) -> tuple[Path, bytes]:
    """The path and the content of the file `given`, of `file` in that folder, or in that of the shipped ones."""
    place = SHIPPED if given is None else Path(given)
    path = place / file if place.is_dir() else place
    try:
        return path, read_regular_file(path, max_bytes=MAX_BYTES)
    except FileNotFoundError:
        hint = f": irisstn export --model {path.parent} -o {path} writes it" if path != place else ""
        raise WeightsError(f"{path} does not exist{hint}") from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise WeightsError(f"{path} cannot be read: {error}") from None
