"""What a command tells when something is wrong, and the exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from irisstn.errors import IrisError

CRASH, MISUSE, SOME_FAILED = 1, 2, 3


class Misuse(click.ClickException):
    """A message for the user, who can do something about it."""

    exit_code = MISUSE


class Crash(click.ClickException):
    """A message for the user about what broke under way."""

    exit_code = CRASH


@contextmanager
def report_errors() -> Iterator[None]:
    """Bad data, settings and folders are report_errors in a line: misuse, but for a disk that fails under way."""
    try:
        yield
    except IrisError as error:
        raise (Crash if error.stage == "write" else Misuse)(str(error)) from None
