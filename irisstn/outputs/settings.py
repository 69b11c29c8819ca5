"""The settings that an output was made with: kept beside it in a JSON file, and compared before it is added to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from irisstn.errors import OutputError
from irisstn.files import read_regular_file
from irisstn.outputs.records import Json

_MAX_BYTES = 1 << 22
DIGEST = "settings_sha256"
DRAWINGS = ("overlays", "side_by_side")  # settings below `config`: whether pictures are drawn, too


def record_digest(settings: Mapping[str, Json]) -> str:
    """The field `settings` of the records made with `settings`: the first 16 digits of `settings_sha256`."""
    return _digest(settings)[:16]


def with_digest(settings: Mapping[str, Json]) -> dict[str, Json]:
    """`settings` and, as `settings_sha256`, the SHA-256 of their JSON text with sorted keys."""
    return {**settings, DIGEST: _digest(settings)}


def read_settings(path: Path, *, name: str | None = None, remedy: str = "give another folder") -> dict[str, Json]:
    """The content of the settings file `path`.

    Parameters
    ----------
    path : Path
        A JSON file with one object.
    name : str, optional
        What to call the file in a message; by default its path.
    remedy : str
        What the user can do, for the message.

    Raises
    ------
    OutputError
        The file cannot be read or holds no object.
    """
    try:
        held = json.loads(read_regular_file(path, max_bytes=_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise OutputError(f"{name or path} cannot be read: {remedy}")
    return held


def require_same_settings(
    held: Mapping[str, Json], settings: Mapping[str, Json], *, where: str, remedy: str = "give another folder"
) -> None:
    """Refuse to add to an output that was made with other settings.

    Parameters
    ----------
    held : mapping
        What `read_settings` returned. Keys that are not among `settings` are ignored.
    settings : mapping
        Everything that the bytes of the output depend on, besides the inputs.
    where : str
        What to call the output in the message.
    remedy : str
        What the user can do, for the message.

    Raises
    ------
    OutputError
        A setting differs; the message names each one with its old and its new value. Or the digest in `held` is that
        of other settings.

    Examples
    --------
    >>> require_same_settings({"config": {"size": 64}}, {"config": {"size": 32}}, where="out")
    Traceback (most recent call last):
    irisstn.errors.OutputError: output: out was made with size 64 (now 32): give another folder
    """
    changes = _changes({name: held.get(name) for name in settings}, dict(settings))
    if changes or held.get(DIGEST, _digest(settings)) != _digest(settings):
        raise OutputError(f"{where} was made with {'; '.join(changes) or 'other settings'}: {remedy}")


def with_fewer_drawings(settings: Mapping[str, Json]) -> list[dict[str, Json]]:
    """The same settings with any of their drawings left out: an output of these can be completed with the drawings.

    Drawings are files of their own, so that all other files are the same with them and without.

    Examples
    --------
    >>> with_fewer_drawings({"config": {"size": 64, "overlays": True}})
    [{'config': {'size': 64, 'overlays': False}}]
    """
    config = settings.get("config")
    if not isinstance(config, dict):
        return []
    drawn = [name for name in DRAWINGS if config.get(name) is True]
    left_out = [some for count in range(1, len(drawn) + 1) for some in combinations(drawn, count)]
    return [{**settings, "config": {**config, **dict.fromkeys(some, False)}} for some in left_out]


def _changes(before: Json, now: Json, name: str = "") -> list[str]:
    """The settings that differ, each by its dotted name; those below `config` without that word."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted({*before, *now})
        return [change for key in keys for change in _changes(before.get(key), now.get(key), f"{name}.{key}")]
    label = name.removeprefix(".").removeprefix("config.")
    return [] if before == now else [f"{label} {json.dumps(before)} (now {json.dumps(now)})"]


def _digest(settings: Mapping[str, Json]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode("ascii")).hexdigest()
