"""What every folder command is to the runner: settings, and a function from one input to its files and record."""

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
from irisstn.outputs.records import Json, Record


@dataclass(frozen=True, slots=True)
class JobInput:
    """One input as read: its `name`, the file's `data`, and that of the mask beside it, for a strip that has one.

    `ring` is the JSON of the ring that a strip was cut along, see `irisstn.datasets.Sample`.
    """

    name: str
    data: bytes
    mask: bytes | None = None
    ring: str | None = None


@dataclass(frozen=True, slots=True)
class JobResult:
    """What an input came to: `fields` of its record, and the content of its `files` by their path below OUT.

    `variants` are whole records of further pictures made from the same input.
    """

    fields: Record
    files: dict[str, bytes]
    variants: list[Record] = field(default_factory=list)


Process = Callable[[JobInput], JobResult]


class Job(Protocol):
    """A folder command. It is sent to the worker processes, so it holds settings only."""

    @property
    def command(self) -> str:
        """The command's name."""

    def settings(self) -> dict[str, Json]:
        """Everything that the output's bytes depend on, beside the input and the version: `config`, and for a command
        with a network `weights_sha256`.
        """

    def start(self) -> AbstractContextManager[Process]:
        """Load what is needed; gives the function that handles one input. Entered once in each process."""


def identity(job: Job) -> dict[str, Json]:
    """Everything that the bytes of the outputs depend on, beside the inputs: what run.json begins with."""
    return {"program": "irisstn", "version": version("irisstn"), "command": job.command, **job.settings()}


def weights_digest(path: Path, expected: str | None = None) -> str:
    """The SHA-256 of the weights file `path`. Raises WeightsError where it cannot be read or is not as `expected`.

    A worker begins later than the run, and perhaps on another machine: it must not use other weights.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from None
    if expected is not None and digest != expected:
        raise WeightsError(f"{path} on {platform.node()} is not the file that this run began with")
    return digest


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread of this process: pictures are done side by side, and sums keep their order."""
    import torch  # noqa: PLC0415  (slow: only where a network is used)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
