"""Runs of `irisstn` for the benchmarks of the folder runner: what they cost, and what they wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Row = Mapping[str, object]
IRISSTN = [sys.executable, "-m", "irisstn"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Run:
    """A finished command: its exit code, summary, seconds, CPU seconds and the peak of its largest process in MB."""

    code: int
    summary: Row
    seconds: float
    cpu_s: float
    peak_mb: float


def run(*arguments: object, timeout_s: float = 7200) -> Run:
    """Run `irisstn` with `arguments` and --json; raises TimeoutError where it takes longer than `timeout_s`."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen([*IRISSTN, *map(str, arguments), "--json"], env=ENVIRONMENT, stdout=told)
        while True:
            waited, status, usage = os.wait4(process.pid, os.WNOHANG)
            if waited:
                break
            if time.monotonic() - started > timeout_s:
                process.kill()
                raise TimeoutError(f"{arguments} took longer than {timeout_s} s")
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        summary = json.loads(told.read() or b"{}")
    # Of a process that has waited for its children, ru_maxrss is the largest of them and itself.
    cpu_s = usage.ru_utime + usage.ru_stime
    return Run(process.returncode, summary, time.monotonic() - started, cpu_s, usage.ru_maxrss / 1024)


def output_files(out: Path) -> dict[str, bytes]:
    """All files of an output folder, without what may differ: times, and where the page found the pictures."""
    files = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name not in (".lock", "run.json"):
            data = path.read_bytes()
            if path.name == "manifest.jsonl":
                data = b"\n".join(json.dumps(json.loads(line) | {"seconds": 0}).encode() for line in data.splitlines())
            files[path.relative_to(out).as_posix()] = data
    return files


def differences(got: Path, expected: Path) -> list[str]:
    """The names of the files that differ between two output folders, or that only one of them has."""
    one, other = output_files(got), output_files(expected)
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
