"""Which files a command may write over: its own earlier output, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from irisstn.cli.messages import Misuse

_READ = 1 << 24  # bytes: longer than any first line of a table, and than any picture that a command writes


def require_own_file(file: Path, is_own: Callable[[bytes], bool], *, option: str, what: str) -> None:
    """Refuse to write over what is not an earlier output of the same command, or into an output folder.

    Parameters
    ----------
    file : Path
        The file that the command is to write.
    is_own : callable
        Whether bytes, the first of a file, are those of an earlier output of the command.
    option : str
        The option that named the file, for the message.
    what : str
        What the command writes, for the message, such as "table of `irisstn measure`".

    Raises
    ------
    Misuse
        The file exists and is something else; or it is to be made in an output folder of irisstn.
    """
    if file.is_dir():
        raise Misuse(f"{option} {file} is a folder: give the path of a file")
    if file.exists() or file.is_symlink():
        if file.is_file() and _is_empty_or(is_own, file):
            return
        raise Misuse(f"{option} {file} exists and is no {what}: give another path, or remove it first")
    folder = _output_folder_around(file)
    if folder is not None:
        raise Misuse(f"{option} {file} lies in the output folder {folder}: give another path")


def _is_empty_or(is_own: Callable[[bytes], bool], file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            data = opened.read(_READ)
    except OSError as error:
        raise Misuse(f"{file} cannot be read: {error.strerror or error}") from None
    return not data or is_own(data)


def _output_folder_around(file: Path) -> Path | None:
    """The output folder of irisstn that holds `file`, or would.

    For a folder further up, one of the two names alone may be the file of another program.
    """
    from irisstn.outputs.folder import RUN
    from irisstn.outputs.manifest import MANIFEST

    for number, folder in enumerate(file.absolute().parents):
        held = [(folder / name).is_file() for name in (MANIFEST, RUN)]
        if all(held) or (number == 0 and any(held)):
            return folder
    return None
