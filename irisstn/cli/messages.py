"""Error messages of the commands, and exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from irisstn.errors import IrisError
from irisstn.extras import missing_package

CRASH, MISUSE, SOME_FAILED = 1, 2, 3


class Misuse(click.ClickException):
    """An error that the user can correct: a wrong option, input or folder."""

    exit_code = MISUSE


class Crash(click.ClickException):
    """An error during the run, such as a full disk."""

    exit_code = CRASH


@contextmanager
def report_errors() -> Iterator[None]:
    """Turn an IrisError, or the lack of a package, into a message of one line.

    Raises
    ------
    Crash
        The output could not be written, or the processes do not run.
    Misuse
        Any other IrisError, or a package is missing.
    """
    try:
        yield
    except IrisError as error:
        raise (Crash if error.stage in ("write", "process") else Misuse)(str(error)) from None
    except ModuleNotFoundError as error:
        raise Misuse(missing_package(error)) from None
