"""The files of a set of rendered eyes: their names, what else a folder may hold, and the ground truth of them all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from irisstn.errors import DatasetError, OutputError
from irisstn.files import begin_to_sync, is_unfinished, remove_unfinished, sync, write_bytes_atomic
from irisstn.images import read_file
from irisstn.outputs.records import FILES, FileField, Json, output_file
from irisstn.outputs.settings import read_settings, require_same_settings, with_digest
from irisstn.storage.file_names import safe_name

TRUTH, SETTINGS = "truth/truth.jsonl", "truth/synth.json"
_MASKS: tuple[FileField, FileField] = ("mask", "iris_mask")
_REMEDY = "give --overwrite to begin it anew, or another folder"

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class SetOfEyes:
    """Everything that the bytes of a set depend on, besides the version of the program.

    Attributes
    ----------
    subjects, captures, seed, cameras
        As in `irisstn.synthetic.write_eyes`.
    """

    subjects: int
    captures: int
    seed: int
    cameras: tuple[str, ...]

    def as_dict(self) -> dict[str, Json]:
        """The content of synth.json, without its digest."""
        fields = asdict(self) | {"cameras": list(self.cameras)}
        return {"program": "irisstn", "version": version("irisstn"), "command": "synth", "config": fields}

    def label(self, subject: int) -> str:
        """The name of the subject with this number."""
        return f"{subject:0{max(3, len(str(self.subjects)))}d}"

    def name(self, subject: int, eye: str, capture: int) -> str:
        """The path of a picture below OUT/eyes."""
        label = self.label(subject)
        return f"{label}/{eye}/{label}{eye}{capture:0{max(2, len(str(self.captures)))}d}.png"

    def names(self) -> Iterator[str]:
        """The paths below OUT/eyes of all pictures."""
        for subject in range(1, self.subjects + 1):
            for eye in "LR":
                for capture in range(1, self.captures + 1):
                    yield self.name(subject, eye, capture)

    def files(self) -> Iterator[str]:
        """The paths below OUT of all pictures and masks."""
        for name in self.names():
            yield f"eyes/{name}"
            yield from (f"truth/{output_file(field, name)}" for field in _MASKS)


def begin_set(out: Path, settings: SetOfEyes, *, overwrite: bool) -> None:
    """Check what the locked folder `out` holds, remove the ground truth of an earlier run, and write the settings.

    Raises
    ------
    OutputError
        The folder holds another set and not `overwrite`, or other files, or cannot be written to.
    """
    path = out / SETTINGS
    try:
        if path.exists() and not overwrite:
            held = read_settings(path, remedy=_REMEDY)
            require_same_settings(held, settings.as_dict(), where=str(out), remedy=_REMEDY)
        if overwrite:
            _remove_earlier(out)
        others = _held(out) - set(settings.files()) - {TRUTH, SETTINGS}
        if others:
            raise OutputError(
                f"{out} holds {len(others)} other files, such as {min(others)}, which would pass for a part of "
                f"the set: {_REMEDY}"
            )
        (out / TRUTH).unlink(missing_ok=True)  # its existence proves the pictures
        for part in ("eyes", "truth"):
            remove_unfinished((out / part).rglob(".*.tmp"))
        text = json.dumps(with_digest(settings.as_dict()), indent=1)
        write_bytes_atomic(path, text.encode() + b"\n", durable=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be written to: {error.strerror or error}", stage="write") from None


def finish_set(out: Path, settings: SetOfEyes, records: Sequence[Record]) -> None:
    """Wait until the pictures are on the disk, then write truth.jsonl. Raises OSError."""
    files = [out / name for name in settings.files()]
    begin_to_sync(files)
    for file in files:
        sync(file)
    for folder in sorted({folder for file in files for folder in file.relative_to(out).parents}, reverse=True):
        sync(out / folder)
    lines = [json.dumps(record, sort_keys=True) + "\n" for record in sorted(records, key=lambda r: str(r["path"]))]
    write_bytes_atomic(out / TRUTH, "".join(lines).encode(), durable=True)


def read_truth(out: Path) -> list[Record]:
    """The ground truth of a set of rendered eyes, after its pictures were checked.

    Parameters
    ----------
    out : Path
        The folder that `irisstn synth` wrote.

    Returns
    -------
    list of dict
        A record per picture, see `irisstn.synthetic.folder`.

    Raises
    ------
    DatasetError
        The ground truth is missing or damaged, or a picture is not the one that it was written for.
    """
    path = out / TRUTH
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        pictures = {safe_name(record["path"]): str(record["sha256"]) for record in records}
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DatasetError(f"{path} is missing or damaged: run `irisstn synth` again ({error})") from None
    for name, digest in pictures.items():
        if sha256(read_file(out / "eyes" / name)).hexdigest() != digest:
            raise DatasetError(f"{out / 'eyes' / name} is not the picture that {path} was written for")
    return records


def _remove_earlier(out: Path) -> None:
    """Remove the files of the set that synth.json describes."""
    try:
        config = read_settings(out / SETTINGS)["config"]
    except (OutputError, KeyError):
        return
    if not isinstance(config, dict):
        return
    subjects, captures = config.get("subjects"), config.get("captures")
    if not isinstance(subjects, int) or not isinstance(captures, int):
        return
    earlier = SetOfEyes(subjects, captures, 0, ())
    # Sets of earlier versions named the mask of a.png a.png.png.
    older = {f"truth/{FILES[field]}/{name}.png" for name in earlier.names() for field in _MASKS}
    names = _held(out) & {*earlier.files(), *older, TRUTH, SETTINGS}
    for name in names:
        (out / name).unlink()
        for parent in list(Path(name).parents)[:-1]:
            with suppress(OSError):
                (out / parent).rmdir()  # fails where it is not empty


def _held(out: Path) -> set[str]:
    """The files below OUT/eyes and OUT/truth, without unfinished ones."""
    found = (path for part in ("eyes", "truth") for path in (out / part).rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix() for path in found if not is_unfinished(path)}
