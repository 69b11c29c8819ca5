"""Error messages of the commands, and exit codes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import click

from irisstn.errors import IrisError
from irisstn.extras import missing_package

CRASH, MISUSE, SOME_FAILED, INTERRUPTED = 1, 2, 3, 130


class Misuse(click.ClickException):
    """An error that the user can correct: a wrong option, input or folder."""

    exit_code = MISUSE


class Crash(click.ClickException):
    """An error during the run, such as a full disk."""

    exit_code = CRASH


class Interrupted(click.ClickException):
    """Ctrl-C."""

    exit_code = INTERRUPTED

    def __init__(self) -> None:
        super().__init__("Interrupted")

    def show(self, file: IO[str] | None = None) -> None:
        """Print the message, which is no error."""
        click.echo(self.message, file=file, err=file is None)


class Commands(click.Group):
    """A group of commands that Ctrl-C ends with one line and exit code 130, where click alone would exit with 1.

    A relative path in a working directory that was deleted ends them with one line as well.
    """

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that `ctx` names. Raises Interrupted on Ctrl-C, Misuse without a working directory."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None
        except FileNotFoundError:
            if _has_working_directory():
                raise
            raise Misuse("the working directory was deleted: change to another one") from None


def _has_working_directory() -> bool:
    try:
        os.getcwd()  # noqa: PTH109  (what pathlib calls)
    except FileNotFoundError:
        return False
    return True


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
