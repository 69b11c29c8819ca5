"""The command `irisstn`, which is `python -m irisstn` as well."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Import the command line and run it; Ctrl-C ends it with one line and exit code 130, also during the import."""
    _open_closed_streams()
    try:
        from irisstn.cli import main as run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted\n")
        sys.exit(130)


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
