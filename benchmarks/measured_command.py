"""Run a command and write what it cost, as JSON: its exit code, elapsed and CPU time, and the peak memory.

    python benchmarks/measured_command.py RESULT COMMAND [ARGUMENT ...]

In a process of its own, so that all processes that the command leaves behind, such as the server of its workers, become
children of this one and are counted; only on Linux there are such processes.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

_SET_CHILD_SUBREAPER = 36  # of prctl


def main() -> None:
    """Run the command of the arguments."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    started = time.monotonic()
    code = subprocess.Popen(sys.argv[2:]).wait()
    seconds = time.monotonic() - started
    with suppress(ChildProcessError):  # raised when none is left
        while True:
            os.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = {"code": code, "seconds": seconds, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_kb": usage.ru_maxrss}
    Path(sys.argv[1]).write_text(json.dumps(cost), encoding="ascii")


if __name__ == "__main__":
    main()
