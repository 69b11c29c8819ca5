"""Runs of `irisstn` for the benchmarks of the folder runner: their cost and their output files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

Row = Mapping[str, object]
IRISSTN = [sys.executable, "-m", "irisstn"]
MEASURED = Path(__file__).with_name("measured_command.py")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Run:
    """A finished command.

    Attributes
    ----------
    code : int
        Exit code.
    summary : Row
        What `--json` printed.
    seconds, cpu_s : float
        Elapsed time, and CPU time of all processes, seconds.
    peak_mb : float
        Peak memory of the largest process, MB.
    """

    code: int
    summary: Row
    seconds: float
    cpu_s: float
    peak_mb: float


def run(*arguments: object, timeout_s: float = 7200, as_json: bool = True) -> Run:
    """Run `irisstn`.

    Parameters
    ----------
    *arguments : object
        Arguments of the command.
    timeout_s : float
        Longest time, seconds.
    as_json : bool
        Whether to give --json, without which the summary is empty.

    Returns
    -------
    Run
        The finished command.

    Raises
    ------
    TimeoutError
        Where it takes longer; the process is killed.
    """
    options = ["--json"] if as_json else ["--quiet"]
    with tempfile.TemporaryDirectory() as name:
        cost, output = Path(name) / "cost.json", Path(name) / "output"
        command = [sys.executable, str(MEASURED), str(cost), *IRISSTN, *map(str, arguments), *options]
        with output.open("wb") as file:
            process = subprocess.Popen(command, env=ENVIRONMENT, stdout=file, start_new_session=True)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{arguments} took longer than {timeout_s} s") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        found = json.loads(cost.read_bytes())
        summary = json.loads((output.read_bytes() if as_json else b"") or b"{}")
    return Run(found["code"], summary, found["seconds"], found["cpu_s"], found["peak_kb"] / 1024)


def output_files(out: Path) -> dict[str, bytes]:
    """Read all files of an output folder but what may differ between runs: times, run.json and the lock.

    Parameters
    ----------
    out : Path
        The folder.

    Returns
    -------
    dict of str to bytes
        Content by relative path.
    """
    files = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name not in (".lock", "run.json"):
            data = path.read_bytes()
            if path.name == "manifest.jsonl":
                data = b"\n".join(json.dumps(json.loads(line) | {"seconds": 0}).encode() for line in data.splitlines())
            files[path.relative_to(out).as_posix()] = data
    return files


def differences(got: Path, expected: Path) -> list[str]:
    """Compare two output folders.

    Parameters
    ----------
    got, expected : Path
        The folders.

    Returns
    -------
    list of str
        Relative paths of the files that differ or are missing in one of them.
    """
    one, other = output_files(got), output_files(expected)
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
