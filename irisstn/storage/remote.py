"""Folders at a URL (s3://, gs://, hdfs://, memory://, ...), read and written through fsspec where its driver is there.

Credentials and endpoints are the driver's own affair: its environment variables, or ~/.config/fsspec/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from irisstn.datasets import NOT_SOURCES
from irisstn.errors import DatasetError, ImageError
from irisstn.images import MAX_BYTES, SUFFIXES
from irisstn.storage.file_names import safe_name

LOCAL = "file://"


def is_url(storage: str | Path) -> bool:
    """Whether `storage` is a URL, and no path on this machine."""
    return isinstance(storage, str) and "://" in storage and not storage.startswith(LOCAL)


def without_file_scheme(storage: str) -> str:
    """`file:///folder` as the path that it stands for; anything else as it is."""
    return storage.removeprefix(LOCAL)


@dataclass(frozen=True, slots=True)
class RemoteSample:
    """An input at a URL, as `irisstn.datasets.Sample` is one on disk; `path` and `mask` are URLs."""

    name: str
    path: str
    mask: str | None = None
    failed: str | None = None
    ring: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteStorage:
    """The output folder at `url`. Object stores write a file whole or not at all; where a driver does not (HDFS), a
    kill may leave half a file, which no record names and the next run writes again.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def read(self, name: str) -> bytes | None:
        """The content of the file `name`, None where there is none. Raises OSError."""
        system, root = _open(self.url)
        with _os_errors(), suppress(FileNotFoundError):
            data: bytes = system.cat_file(f"{root}/{name}")
            return data
        return None

    def write(self, name: str, data: bytes) -> None:
        """Write the file `name`. Raises OSError."""
        system, root = _open(self.url)
        path = f"{root}/{name}"
        with _os_errors():
            if "/" in path.strip("/"):
                system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.pipe_file(path, data)

    def send(self, source: Path, name: str) -> None:
        """Write the file `name` from the local file `source`, which need not fit into memory. Raises OSError."""
        system, root = _open(self.url)
        with _os_errors():
            system.put_file(str(source), f"{root}/{name}")

    def fetch(self, name: str, target: Path) -> None:
        """Copy the file `name`, if there is one, to the local file `target`. Raises OSError."""
        system, root = _open(self.url)
        with _os_errors():
            if system.isfile(f"{root}/{name}"):
                system.get_file(f"{root}/{name}", str(target))

    def holds(self, name: str) -> bool:
        """Whether there is a file `name`."""
        system, root = _open(self.url)
        return bool(system.isfile(f"{root}/{name}"))

    def remove(self, name: str) -> None:
        """Remove the file `name`, if it is there. Raises OSError."""
        system, root = _open(self.url)
        with _os_errors(), suppress(FileNotFoundError):
            system.rm_file(f"{root}/{name}")

    def names(self, folder: str) -> list[str]:
        """The names of the files right in `folder`, sorted. Raises OSError."""
        system, root = _open(self.url)
        system.invalidate_cache()
        with _os_errors(), suppress(FileNotFoundError):
            return sorted(PurePosixPath(path).name for path in system.ls(f"{root}/{folder}", detail=False))
        return []


def read_url(url: str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of the file at `url`; raises ImageError where it cannot be read or is too large."""
    try:
        system, path = _open(url)
        size = system.size(path)
        if size is not None and size > max_bytes:
            raise ImageError(f"the file has {size} bytes, more than the limit of {max_bytes}")
        data: bytes = system.cat_file(path)
    except ImageError:
        raise
    except Exception as error:  # every driver has errors of its own
        raise ImageError(f"the file cannot be read: {_words(error)}") from None
    return data


def find_remote(url: str) -> list[RemoteSample]:
    """The pictures at `url`, sorted by name: in a folder, by a glob, or one.

    Files without a picture's suffix, hidden ones, and outputs of this program below are passed over. Raises
    DatasetError.
    """
    try:
        system, root = _open(url)
        found = sorted(system.glob(root)) if "*" in root or "?" in root else sorted(system.find(root))
    except DatasetError:
        raise
    except Exception as error:
        raise DatasetError(f"{url} cannot be read: {_words(error)}") from None
    base = PurePosixPath(root)
    while any(letter in str(base) for letter in "*?[") or str(base) in found:
        base, url = base.parent, url.rpartition("/")[0]
    # Names come from the listing, so that a key of an object store may well hold "..".
    names = {str(PurePosixPath(path).relative_to(base)): path[len(str(base)) :].lstrip("/") for path in found}
    pictures = _pictures(names)
    if not pictures:
        raise DatasetError(f"no pictures in {url}")
    return [RemoteSample(safe_name(name), f"{url}/{names[name]}") for name in pictures]


def _pictures(names: Iterable[str]) -> list[str]:
    paths = [PurePosixPath(name) for name in names]
    outputs = {path.parent for path in paths if path.name in NOT_SOURCES and path.parent.parts}
    return sorted(
        str(path)
        for path in paths
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") and part != ".." for part in path.parts)
        and outputs.isdisjoint(path.parents)
    )


def _open(url: str) -> tuple[Any, str]:  # fsspec has no types
    """The file system and the path in it that `url` names."""
    import fsspec.core  # noqa: PLC0415  (half the start of `segment`, which mostly needs no URL)

    if "::" in url:  # which a file's name may hold: fsspec would take what follows for another storage to read
        raise DatasetError(f"{url} cannot be opened: it holds ::")
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise DatasetError(f"{url} cannot be opened: {_words(error)}") from None
    return system, str(path).rstrip("/")


@contextmanager
def _os_errors() -> Iterator[None]:
    """Every driver has errors of its own: all become OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(_words(error)) from error


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
