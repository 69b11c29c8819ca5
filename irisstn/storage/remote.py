"""Folders at a URL (s3://, gs://, hdfs://, memory://, ...), read and written through fsspec and its drivers.

A driver is a package of its own, such as s3fs. It reads credentials and endpoints from its own environment variables or
from ~/.config/fsspec/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from irisstn.datasets import NOT_SOURCES, kind_of_file, passed_over_text
from irisstn.errors import DatasetError, ImageError, one_line
from irisstn.images import MAX_BYTES, SUFFIXES
from irisstn.storage.file_names import safe_name

LOCAL = "file://"


def is_url(storage: str | Path) -> bool:
    """Whether `storage` is a URL, other than one of a file on this machine.

    Examples
    --------
    >>> is_url("s3://bucket/eyes"), is_url("file:///eyes"), is_url("eyes")
    (True, False, False)
    """
    return isinstance(storage, str) and "://" in storage and not storage.startswith(LOCAL)


def without_file_scheme(storage: str) -> str:
    """The path in a `file://` URL; anything else unchanged.

    Examples
    --------
    >>> without_file_scheme("file:///eyes")
    '/eyes'
    """
    return storage.removeprefix(LOCAL)


@dataclass(frozen=True, slots=True)
class RemoteSample:
    """An input at a URL, like `irisstn.datasets.Sample` for one on disk.

    Attributes
    ----------
    name : str
        Its path below its source.
    path : str
        The URL of the picture.
    mask : str or None
        The URL of the mask beside a strip.
    failed : str or None
        Why it cannot be processed: an earlier command found no strip.
    """

    name: str
    path: str
    mask: str | None = None
    failed: str | None = None
    ring: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteStorage:
    """The output folder at a URL.

    Object stores write a file either completely or not at all. With other drivers (HDFS) a kill may leave an incomplete
    file; no record names it, so the next run writes it again.

    Attributes
    ----------
    url : str
        The URL, without a slash at its end.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def read(self, name: str) -> bytes | None:
        """The content of the file `name`, None where there certainly is none. Raises OSError."""
        system, root = _open(self.url)
        with _os_errors(), suppress(FileNotFoundError):
            data: bytes = system.cat_file(f"{root}/{name}")
            return data
        self._require_absent(name)
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
        """Copy the file `name` to the local file `target`, unless there certainly is none. Raises OSError.

        `isfile` would take any error, such as one of the server or of permissions, for absence.
        """
        system, root = _open(self.url)
        try:
            with _os_errors():
                system.get_file(f"{root}/{name}", str(target))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            target.unlink(missing_ok=True)
            self._require_absent(name)
        except OSError:
            target.unlink(missing_ok=True)
            raise

    def _require_absent(self, name: str) -> None:
        """Raise OSError unless the file `name`, which a driver did not find, certainly is not there."""
        # Some drivers call `isfile` before they copy, and so report as not found what they could not look at.
        _open(self.url)[0].invalidate_cache()
        if self.size(name) is not None:
            raise OSError(f"{name} is there, but cannot be read")

    def size(self, name: str) -> int | None:
        """The size of the file `name` in bytes; None where there certainly is none. Raises OSError."""
        system, root = _open(self.url)
        with _os_errors(), suppress(FileNotFoundError):
            about = system.info(f"{root}/{name}")
            return int(about["size"]) if about.get("type") == "file" else None
        return None

    def remove(self, name: str) -> None:
        """Remove the file `name`, if it is there. Raises OSError."""
        system, root = _open(self.url)
        with _os_errors(), suppress(FileNotFoundError):
            system.rm_file(f"{root}/{name}")

    def names(self, folder: str) -> list[str]:
        """The sorted names of the files directly in `folder`. Raises OSError."""
        system, root = _open(self.url)
        system.invalidate_cache()
        with _os_errors(), suppress(FileNotFoundError):
            return sorted(PurePosixPath(path).name for path in system.ls(f"{root}/{folder}", detail=False))
        return []


def read_url(url: str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of the file at `url`.

    Raises
    ------
    ImageError
        It cannot be read or has more than `max_bytes` bytes.
    """
    try:
        system, path = _open(url)
        size = system.size(path)
        if size is not None and size > max_bytes:
            raise ImageError(f"the file has {size} bytes, more than the limit of {max_bytes}")
        data: bytes = system.cat_file(path)
    except ImageError:
        raise
    except Exception as error:  # each driver raises its own kinds of errors
        raise ImageError(f"the file cannot be read: {_words(error)}") from None
    return data


def find_remote(url: str, *, exclude: str | None = None, passed_over: Counter[str] | None = None) -> list[RemoteSample]:
    """The pictures at a URL, sorted by name.

    Files without the suffix of a picture, hidden files and outputs of this program are passed over. Of several keys
    that would be one name on a disk, such as a/b.png and a//b.png, one is processed and the others fail.

    Parameters
    ----------
    url : str
        A folder, a picture or a glob.
    exclude : str, optional
        The URL of the output folder of this run, which is not searched.
    passed_over : Counter of str, optional
        To it is added how many files were passed over, by what `irisstn.datasets.kind_of_file` says.

    Raises
    ------
    DatasetError
        It cannot be read or there are no pictures.
    """
    try:
        system, root = _open(url)
        found = sorted(system.glob(root)) if "*" in root or "?" in root else sorted(_find(system, root))
    except DatasetError:
        raise
    except Exception as error:
        raise DatasetError(f"{url} cannot be read: {_words(error)}") from None
    base = PurePosixPath(root)
    while any(letter in str(base) for letter in "*?[") or str(base) in found:
        base, url = base.parent, url.rpartition("/")[0]
    if exclude is not None and is_url(exclude):
        found = _outside(found, system, exclude)
    # Names come from the listing, and a key of an object store may hold "..".
    names: dict[str, str] = {}
    taken: dict[str, str] = {}  # keys whose name is taken, with that name
    for path in sorted(found, key=lambda path: (path != str(PurePosixPath(path)), path)):
        name, key = str(PurePosixPath(path).relative_to(base)), path[len(str(base)) :].removeprefix("/")
        if names.setdefault(name, key) != key:
            taken[key] = name
    passed_over = Counter() if passed_over is None else passed_over
    pictures = _pictures(names, passed_over)
    if not pictures:
        others = f": {passed_over_text(passed_over)}" if passed_over else ""
        raise DatasetError(f"no pictures in {url}{others}")
    samples = [RemoteSample(safe_name(name), f"{url}/{names[name]}") for name in pictures]
    for key, name in taken.items():
        if name in pictures:
            reason = f"on a disk its name would be that of {name}"
            samples.append(RemoteSample(safe_name(key), f"{url}/{key}", failed=reason))
    return sorted(samples, key=lambda sample: sample.name)


def _find(system: Any, root: str) -> list[str]:
    """The files below `root`. An error in a folder is raised, where fsspec's own `find` would pass it over."""
    from fsspec.spec import AbstractFileSystem  # noqa: PLC0415

    if getattr(type(system), "find", None) is not AbstractFileSystem.find:
        return list(system.find(root))  # object stores list all keys at once
    found: list[str] = []
    folders, seen = [root], {root.rstrip("/")}
    while folders:
        for about in system.ls(folders.pop(), detail=True):
            name = about["name"].rstrip("/")
            if about["type"] != "directory":
                found.append(about["name"])
            elif name not in seen:
                seen.add(name)
                folders.append(name)
    return found


def _outside(found: list[str], system: Any, exclude: str) -> list[str]:
    """Those of the paths `found` in `system` that are not below the URL `exclude`."""
    other, folder = _open(exclude)
    if type(other) is not type(system):
        return found
    return [path for path in found if not str(PurePosixPath(path)).startswith(f"{PurePosixPath(folder)}/")]


def _pictures(names: Iterable[str], passed_over: Counter[str]) -> list[str]:
    """The `names` of pictures that are not hidden and not in an output folder of this program, sorted."""
    paths = [PurePosixPath(name) for name in names]
    outputs = {path.parent for path in paths if path.name in NOT_SOURCES and path.parent.parts}
    pictures = []
    for path in paths:
        if path.name in NOT_SOURCES or not outputs.isdisjoint(path.parents):
            continue
        hidden = any(part.startswith(".") and part != ".." for part in path.parts)
        if path.suffix.lower() in SUFFIXES and not hidden:
            pictures.append(str(path))
        else:
            passed_over[kind_of_file("." if hidden else path.name)] += 1
    return sorted(pictures)


def _open(url: str) -> tuple[Any, str]:  # fsspec has no types
    """The file system and the path in it that `url` names."""
    import fsspec.core  # noqa: PLC0415  (takes half of the start of `segment`, which rarely needs it)

    if "::" in url:  # a file name may hold it, but fsspec reads what follows as another storage
        raise DatasetError(f"{url} cannot be opened: it holds ::")
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise DatasetError(f"{url} cannot be opened: {_words(error)}") from None
    except Exception as error:  # a driver made for another version of fsspec or of its own packages
        protocol = url.partition("://")[0]
        raise DatasetError(
            f"{url} cannot be opened: {_words(error)}; does the version of the driver for {protocol}:// suit fsspec "
            f"{fsspec.__version__}? Update both together: pip install --upgrade fsspec and the driver"
        ) from None
    return system, str(path).rstrip("/")


@contextmanager
def _os_errors() -> Iterator[None]:
    """Turn the errors of any driver into OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(_words(error)) from error


def _words(error: Exception) -> str:
    """`error` in one line."""
    return f"{type(error).__name__}: {one_line(error)}"
