"""Weights on disk: one safetensors file that holds a module's tensors and, as JSON in its header, its config.

Files of unknown origin are safe to read: nothing in them is run, and sizes, names, shapes and values are checked.
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
from irisstn.images import write_bytes_atomic
from irisstn.weights import SHIPPED

MAX_BYTES = 64 << 20
_MAX_CONFIG = 1 << 16  # characters
_KEY = "irisstn"  # one key only: safetensors writes several in any order, and the same weights should be the same bytes


class StoredModule(nn.Module):
    """A network that is built from its `config` alone, and kept in a file together with it.

    A class derived from it names its `KIND`, the `FILE` in which irisstn ships it and a run leaves it, and the type of
    its `CONFIG`.
    """

    KIND: ClassVar[str]
    FILE: ClassVar[str]
    CONFIG: ClassVar[type[Strict]]

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """The network saved at `path`, a file or the folder of a run; None for the weights that irisstn ships.

        Safe on files of unknown origin. Raises WeightsError with the reason.
        """
        place = SHIPPED if path is None else path
        file = place / cls.FILE if place.is_dir() else place
        values, state = read_weights(file, cls.KIND)
        try:
            config = cls.CONFIG.model_validate(values)
        except ValidationError as error:
            reasons = "; ".join(problem["msg"] for problem in error.errors())
            raise WeightsError(f"{file} has an impossible config: {reasons}") from None
        network = cls(config)
        fill(network, state, file)
        return network.eval()

    def save(self, path: Path) -> None:
        """Write weights and config to `path`, atomically. The same weights always make the same bytes."""
        write_bytes_atomic(path, self._packed())

    @property
    def weights_sha256(self) -> str:
        """The SHA-256 of the file that `save` writes."""
        return sha256(self._packed()).hexdigest()

    def _packed(self) -> bytes:
        return pack_weights(self, self.KIND, self.config.model_dump(mode="json"))


def pack_weights(module: nn.Module, kind: str, config: Mapping[str, object]) -> bytes:
    """The file of `module`'s state, of a `kind` such as "rectifier-2", with the `config` to build it by.

    The same weights and config always make the same bytes.
    """
    state = {name: tensor.detach().cpu().float().contiguous() for name, tensor in module.state_dict().items()}
    header = json.dumps({"kind": kind, "config": dict(config)}, sort_keys=True)
    return bytes(save(state, {_KEY: header}))


def read_weights(path: Path, kind: str) -> tuple[dict[str, object], dict[str, Tensor]]:
    """The config and the tensors of a file of this `kind`. Raises WeightsError with the reason."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise WeightsError(f"{path} has {size} bytes, more than the {MAX_BYTES} that weights may have")
        with safe_open(path, framework="pt", device="cpu") as file:
            config = _config(path, kind, file.metadata())
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    except SafetensorError as error:
        raise WeightsError(f"{path} is no safetensors file, or damaged: {error}") from None
    return config, state


def fill(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Put `state`, read from `path`, into `module`. Raises WeightsError where names, shapes or values do not fit."""
    wanted = module.state_dict()
    missing, unknown = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or unknown:
        raise WeightsError(f"{path} does not fit the model: missing {_few(missing)}; unknown {_few(unknown)}")
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape or tensor.dtype != torch.float32:
            found, needed = (f"{tuple(t.shape)} of {t.dtype}" for t in (tensor, wanted[name]))
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
    if not isinstance(header, dict) or header.get("kind") != kind or not isinstance(header.get("config"), dict):
        found = header.get("kind") if isinstance(header, dict) else None
        older = isinstance(found, str) and found.rpartition("-")[0] == kind.rpartition("-")[0] and found != kind
        why = ": another version of irisstn wrote it, so train it again" if older else ""
        raise WeightsError(f"{path} holds {found!r}, not {kind!r}{why}")
    config: dict[str, object] = header["config"]
    return config


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "none"
