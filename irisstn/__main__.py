"""The command `irisstn`, which is `python -m irisstn` as well."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Import the command line and run it.

    Ctrl-C ends it with one line and exit code 130, also during the import. Where what it prints cannot be written, as
    on a full disk, it ends with one line and exit code 1.
    """
    _open_closed_streams()
    try:
        from irisstn.cli import main as run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted\n")
        sys.exit(130)
    except OSError:
        reason = _why_stdout_fails()
        if reason is None:
            raise
        sys.stderr.write(f"Error: what the command prints cannot be written: {reason}\n")
        sys.exit(1)


def _why_stdout_fails() -> str | None:
    """Why nothing can be written to stdout, which is the null device then; None where an empty line can be written."""
    try:
        print(flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return error.strerror or str(error)
    return None


def _open_closed_streams() -> None:
    """Open the null device for stdin, stdout and stderr where they are closed, as `2>&-` does in a shell.

    Output files would get their numbers otherwise, and with them what libraries print.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  (until the end)


if __name__ == "__main__":
    main()
