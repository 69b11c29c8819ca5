"""The command `irisstn`, which is `python -m irisstn` as well."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Import the command line and run it; Ctrl-C ends it with one line and exit code 130, also during the import."""
    try:
        from irisstn.cli import main as run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
