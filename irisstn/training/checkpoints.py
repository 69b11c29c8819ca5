"""Lightning checkpoints as safetensors files: tensors as tensors, everything else as JSON in the header; no pickle.

Files are written atomically and wait for the disk, so a kill and a power cut leave the last complete one.
"""

from __future__ import annotations

import json
from pathlib import Path

from lightning.fabric.plugins import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from irisstn.errors import WeightsError
from irisstn.files import write_bytes_atomic

# Values without a JSON type are written as an object with one of these keys.
_TENSOR, _TUPLE, _PAIRS = "tensor:", "tuple:", "pairs:"

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class SafetensorsCheckpoint(CheckpointIO):
    """Reader and writer of checkpoints, for `lightning.Trainer(plugins=[SafetensorsCheckpoint()])`."""

    def save_checkpoint(self, checkpoint: dict[str, object], path: str | Path, storage_options: object = None) -> None:
        """Write a checkpoint, atomically.

        Parameters
        ----------
        checkpoint : dict of str to object
            Nested dicts, lists and tuples of tensors, numbers, strings, paths, booleans and None.
        path : str or Path
            The file; its folder is made where it is missing.
        storage_options : object
            Ignored.

        Raises
        ------
        ValueError
            For values of other types.
        """
        del storage_options
        tensors: dict[str, Tensor] = {}
        tree = _pack(checkpoint, tensors)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(Path(path), save(tensors, metadata={"checkpoint": json.dumps(tree)}), durable=True)

    def load_checkpoint(
        self, path: str | Path, map_location: object = None, weights_only: bool | None = None
    ) -> dict[str, object]:
        """Read a checkpoint to the CPU; Lightning moves it to the device.

        Parameters
        ----------
        path : str or Path
            The file.
        map_location, weights_only : object
            Ignored: a file holds plain values only.

        Returns
        -------
        dict of str to object
            What was written.

        Raises
        ------
        WeightsError
            Where the file is damaged or no checkpoint.
        """
        del map_location, weights_only
        try:
            with safe_open(str(path), framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
                tree = json.loads((file.metadata() or {})["checkpoint"])
        except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
            raise WeightsError(f"{path} is no checkpoint of irisstn: {error}") from None
        try:
            unpacked = _unpack(tree, tensors)
        except (KeyError, ValueError):
            raise WeightsError(f"{path} is no checkpoint of irisstn") from None
        if not isinstance(unpacked, dict):
            raise WeightsError(f"{path} is no checkpoint of irisstn")
        return {str(key): value for key, value in unpacked.items()}

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint, if it exists."""
        Path(path).unlink(missing_ok=True)


def _pack(value: object, tensors: dict[str, Tensor]) -> Json:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()  # safetensors refuses shared memory
        return {_TENSOR: name}
    if isinstance(value, dict):
        return {_PAIRS: [[_pack(key, tensors), _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {_TUPLE: [_pack(item, tensors) for item in value]}
    if isinstance(value, list):
        return [_pack(item, tensors) for item in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"a checkpoint cannot hold {type(value).__name__}")


def _unpack(tree: Json, tensors: dict[str, Tensor]) -> object:
    if isinstance(tree, list):
        return [_unpack(item, tensors) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, inside),) = tree.items()
    if kind == _TENSOR:
        return tensors[str(inside)]
    if not isinstance(inside, list):
        raise WeightsError("a damaged checkpoint")
    if kind == _TUPLE:
        return tuple(_unpack(item, tensors) for item in inside)
    pairs = [item for item in inside if isinstance(item, list)]
    return {_key(_unpack(key, tensors)): _unpack(item, tensors) for key, item in pairs}


def _key(key: object) -> str | int:
    if not isinstance(key, str | int):
        raise WeightsError("a damaged checkpoint")
    return key
