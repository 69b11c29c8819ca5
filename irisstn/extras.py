"""The extras of the package: which packages each one installs, and one line where they are missing.

Segmentation, normalization, quality, comparison and rendered eyes need none. `pyproject.toml` has their versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

from irisstn.errors import MissingExtraError

_TORCH = ("torch", "safetensors")
# The modules that are imported from each extra. A module belongs to the first extra that names it.
EXTRAS: dict[str, tuple[str, ...]] = {
    "torch": _TORCH,
    "onnx": ("onnxruntime",),
    "train": (*_TORCH, "lightning", "pytorch_metric_learning", "albumentations"),
    "export": (*_TORCH, "onnx", "onnxscript", "onnxruntime"),
    "report": ("matplotlib",),
    "formats": ("pillow_heif", "pydicom"),
    "search": ("faiss",),
    "sklearn": ("sklearn",),
    "ray": ("ray",),
}


def require_extra(extra: str, what: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Parameters
    ----------
    extra : str
        A key of `EXTRAS`.
    what : str
        What needs it, for the message.

    Raises
    ------
    MissingExtraError
        Where one is missing; the message has the command that installs it.
    """
    missing = [name for name in EXTRAS[extra] if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"{what} needs {', '.join(missing)}: {install_command(extra)}")


def is_installed(extra: str) -> bool:
    """Whether all packages of an extra, a key of `EXTRAS`, are installed."""
    return all(find_spec(name) is not None for name in EXTRAS[extra])


def install_command(extra: str) -> str:
    """The command that installs an extra; its quotes are understood by every shell, also on Windows.

    Examples
    --------
    >>> install_command("torch")
    'pip install "irisstn[torch]"'
    """
    return f'pip install "irisstn[{extra}]"'


def missing_package(error: ModuleNotFoundError) -> str:
    """One line about a package that could not be imported, with the command that installs it.

    Parameters
    ----------
    error : ModuleNotFoundError
        As raised by the import.

    Returns
    -------
    str
        The line.
    """
    name = (error.name or "a package").partition(".")[0]
    extra = _extra_of(name)
    return f"{name} is not installed: {f'pip install {name}' if extra is None else install_command(extra)}"


@contextmanager
def extra_named() -> Iterator[None]:
    """Turn a failed import of a package that belongs to an extra into an error that names the extra.

    Raises
    ------
    MissingExtraError
        Where the package is missing. Other errors of an import are passed on.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if isinstance(error, MissingExtraError) or _extra_of((error.name or "").partition(".")[0]) is None:
            raise
        raise MissingExtraError(missing_package(error)) from None


def import_public(module: str, name: str) -> object:
    """Import a public name from the module that defines it, when it is first used.

    Parameters
    ----------
    module : str
        The module.
    name : str
        The name in it.

    Returns
    -------
    object
        What it names.

    Raises
    ------
    MissingExtraError
        Where the module needs an extra that is not installed.
    """
    with extra_named():
        return getattr(import_module(module), name)


def _extra_of(name: str) -> str | None:
    """The first extra that installs the module `name`; None where it belongs to none."""
    return next((extra for extra, modules in EXTRAS.items() if name in modules), None)
