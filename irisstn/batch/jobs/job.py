"""The protocol between the runner and a folder command: settings, and a function from one input to its outputs."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from irisstn.errors import WeightsError
from irisstn.files import read_regular_file
from irisstn.outputs.folder import FILE_NAMES
from irisstn.outputs.records import Json, Record, RecordFields
from irisstn.weights import MAX_BYTES


@dataclass(frozen=True, slots=True)
class JobInput:
    """One input, as read.

    Attributes
    ----------
    name : str
        Its path below its source.
    data : bytes
        The content of the picture file.
    mask : bytes or None
        The content of the mask file, for a strip that has one.
    ring : str or None
        The JSON of a strip's boundaries and eyelids, see `irisstn.datasets.Sample`.
    """

    name: str
    data: bytes
    mask: bytes | None = None
    ring: str | None = None


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a job makes of one input.

    Attributes
    ----------
    fields : RecordFields
        Fields for its record.
    files : dict
        The content of its output files, by their paths below OUT.
    variants : list of Record
        Complete records of further strips made from the same input.
    """

    fields: RecordFields
    files: dict[str, bytes]
    variants: list[Record] = field(default_factory=list)


Process = Callable[[JobInput], JobResult]


class Job(Protocol):
    """A folder command. It is sent to the worker processes, so it holds settings only."""

    @property
    def command(self) -> str:
        """The name of the command."""

    def settings(self) -> dict[str, Json]:
        """Everything that the bytes of the outputs depend on, besides the inputs and the version.

        `config` and, for a command with a network, the hashes of its weights.
        """

    def start(self) -> AbstractContextManager[Process]:
        """Load the weights; the context gives the function that processes one input. Entered once in each process."""


def identity(job: Job) -> dict[str, Json]:
    """Everything that the outputs and their names depend on, besides the inputs; run.json begins with it."""
    about: dict[str, Json] = {"program": "irisstn", "version": version("irisstn"), "file_names": FILE_NAMES}
    return {**about, "command": job.command, **job.settings()}


def weights_digest(path: Path, expected: str | None = None) -> str:
    """The SHA-256 of a weights file.

    A worker starts later than the run, and perhaps on another machine, where `path` may hold other weights.

    Parameters
    ----------
    path : Path
        The file.
    expected : str, optional
        The digest that it must have.

    Raises
    ------
    WeightsError
        The file cannot be read or has another digest.
    """
    try:
        digest = hashlib.sha256(read_regular_file(path, max_bytes=MAX_BYTES)).hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise WeightsError(f"{path} cannot be read: {error}") from None
    if expected is not None and digest != expected:
        raise WeightsError(f"{path} on {platform.node()} is not the file that this run began with")
    return digest


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Limit torch to one thread in this process while the context lasts.

    Inputs are processed in parallel by processes; and one thread adds numbers in a fixed order, so results repeat.
    """
    import torch  # noqa: PLC0415  (slow to import, so only where a network is used)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
