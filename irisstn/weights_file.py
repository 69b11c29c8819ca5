"""Weights on disk: a safetensors file with the tensors of a module and, as JSON in its header, its configuration.

Files of unknown origin are safe to read: no code in them is executed, and sizes, names, shapes and values are checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from irisstn.config import Strict
from irisstn.errors import WeightsError
from irisstn.files import require_regular_file, write_bytes_atomic
from irisstn.weights import MAX_BYTES, SHIPPED

_MAX_CONFIG = 1 << 16  # characters
_KEY = "irisstn"  # one key only: safetensors writes several in any order, but equal weights must give equal bytes


class StoredModule(nn.Module):
    """Base of the networks that are built from a configuration alone, and stored together with it.

    Parameters
    ----------
    config : Strict
        An instance of `CONFIG`.

    Attributes
    ----------
    KIND : str
        Kind and version of the weights file, such as "rectifier-4".
    FILE : str
        Name of the weights file in the package and in the folder of a training run.
    CONFIG : type
        Type of the configuration.
    """

    KIND: ClassVar[str]
    FILE: ClassVar[str]
    CONFIG: ClassVar[type[Strict]]

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """Load a network in evaluation mode. Safe on files of unknown origin.

        Parameters
        ----------
        path : str or Path, optional
            A weights file or the folder of a training run; None for the weights that irisstn ships.

        Returns
        -------
        StoredModule
            An instance of the class.

        Raises
        ------
        WeightsError
            Where the file is missing, damaged or of another kind.
        """
        place = SHIPPED if path is None else Path(path)
        file = place / cls.FILE if place.is_dir() else place
        values, state = read_weights(file, cls.KIND)
        try:
            config = cls.CONFIG.model_validate(values)
        except ValidationError as error:
            reasons = "; ".join(problem["msg"] for problem in error.errors())
            raise WeightsError(f"{file} has an impossible config: {reasons}") from None
        network = cls(config)
        load_state(network, state, file)
        return network.eval()

    def save(self, path: Path) -> None:
        """Write weights and configuration, atomically. The same weights always give the same bytes.

        Parameters
        ----------
        path : Path
            The file; missing parent folders are created.
        """
        write_bytes_atomic(path, self._packed(), durable=True)

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the file that `save` writes."""
        return sha256(self._packed()).hexdigest()

    def _packed(self) -> bytes:
        return pack_weights(self, self.KIND, self.config.model_dump(mode="json"))


def pack_weights(module: nn.Module, kind: str, config: Mapping[str, object]) -> bytes:
    """Serialise the state of a module. The same weights and configuration always give the same bytes.

    Parameters
    ----------
    module : nn.Module
        The module.
    kind : str
        Kind and version, such as "rectifier-4".
    config : mapping
        The configuration, as values that JSON can hold.

    Returns
    -------
    bytes
        The content of the file; tensors are stored as float32.
    """
    state = {name: tensor.detach().cpu().float().contiguous() for name, tensor in module.state_dict().items()}
    header = json.dumps({"kind": kind, "config": dict(config)}, sort_keys=True)
    return bytes(save(state, {_KEY: header}))


def read_weights(path: Path, kind: str) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Read a weights file.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        The expected kind and version.

    Returns
    -------
    config : dict
        The configuration.
    state : dict of str to Tensor
        The tensors by name.

    Raises
    ------
    WeightsError
        Where the file is missing, too large, damaged or of another kind.
    """
    try:
        require_regular_file(path, max_bytes=MAX_BYTES)
        with safe_open(path, framework="pt", device="cpu") as file:
            config = _config(path, kind, file.metadata())
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise WeightsError(f"{path} cannot be read: {error}") from None
    except SafetensorError as error:
        raise WeightsError(f"{path} is no safetensors file, or damaged: {error}") from None
    return config, state


def load_state(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load tensors into a module, after they are checked.

    Parameters
    ----------
    module : nn.Module
        The module; it stays unchanged where a check fails.
    state : mapping of str to Tensor
        The tensors by name.
    path : Path
        The file that they were read from, for error messages.

    Raises
    ------
    WeightsError
        Where a name, shape or type does not fit, or a value is not finite.
    """
    expected = module.state_dict()
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or unknown:
        raise WeightsError(f"{path} does not fit the model: missing {_few(missing)}; unknown {_few(unknown)}")
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape or tensor.dtype != torch.float32:
            found, needed = (f"{tuple(t.shape)} of {t.dtype}" for t in (tensor, expected[name]))
            raise WeightsError(f"{path} does not fit the model: {name} is {found}, needed {needed}")
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{path} is damaged: {name} holds NaN or infinity")
    module.load_state_dict(dict(state))


def _config(path: Path, kind: str, metadata: Mapping[str, str] | None) -> dict[str, object]:
    text = (metadata or {}).get(_KEY, "")
    if not text or len(text) > _MAX_CONFIG:
        raise WeightsError(f"{path} holds no weights of irisstn")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise WeightsError(f"{path} is damaged: its config is no JSON") from None
    if not isinstance(header, dict) or header.get("kind") != kind:
        found = header.get("kind") if isinstance(header, dict) else None
        older = isinstance(found, str) and found.rpartition("-")[0] == kind.rpartition("-")[0] and found != kind
        why = ": another version of irisstn wrote it, so train it again" if older else ""
        raise WeightsError(f"{path} holds {found!r}, not {kind!r}{why}")
    config = header.get("config")
    if not isinstance(config, dict):
        raise WeightsError(f"{path} is damaged: its config is no mapping of names to values")
    return config


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "none"
