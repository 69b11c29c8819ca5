"""A job for tests of the runner: its inputs are texts. Also functions that make inputs and run the job elsewhere."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from irisstn.batch.jobs.job import JobInput, JobResult, Process
from irisstn.datasets import Sample, find_images
from irisstn.errors import ImageError, WeightsError
from irisstn.outputs.manifest import read_manifest
from irisstn.outputs.records import Json, output_file


@dataclass(frozen=True)
class TextJob:
    """Writes the text of each input in capitals, after a pause; or fails, crashes or hangs where the text says so."""

    suffix: str = "!"
    pause_s: float = 0.0
    command: str = "text"

    def settings(self) -> dict[str, Json]:
        return {"config": {"suffix": self.suffix}}

    @contextmanager
    def start(self) -> Iterator[Process]:
        if self.suffix == "broken":
            raise WeightsError("no such suffix")
        yield self._capitals

    def _capitals(self, source: JobInput) -> JobResult:
        time.sleep(self.pause_s)
        text = source.data.decode()
        if text == "bad":
            raise ImageError("bad input")
        if text == "bug":
            raise KeyError("a bug")
        if text == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if text == "hang":
            time.sleep(60)
        name = output_file("strip", source.name)
        return JobResult({"strip": name}, {name: (text.upper() + self.suffix).encode()})


def inputs(root: Path, count: int = 20, **special: str) -> list[Sample]:
    """`count` inputs of a line each below `root`, and those of `special`, a text by its name."""
    root.mkdir(exist_ok=True)
    for number in range(count):
        (root / f"{number:04d}.png").write_text(f"text {number}")
    for name, text in special.items():
        (root / f"{name}.png").write_text(text)
    return find_images([root])


def statuses(out: Path) -> dict[str, Json]:
    return {str(record["path"]): record["status"] for record in read_manifest(out)}


def run_in_process(
    root: Path, out: Path, pause_s: float, workers: int, *, server: bool = False
) -> "subprocess.Popen[bytes]":
    """Start a run over `root` in a process with the exit codes of the command line: 128 + the signal that ended it.

    With `server`, its workers are forked from a worker server where the system has one.
    """
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from irisstn.batch import run_batch; from text_job import TextJob, find_images\n"
        "from irisstn.worker_server import start_worker_server\n"
        "if __name__ == '__main__':\n"
        "  s = run_batch(TextJob(pause_s=float(sys.argv[4])), find_images([sys.argv[2]]), Path(sys.argv[3]),"
        " workers=int(sys.argv[5]), worker_server=bool(int(sys.argv[6])) and start_worker_server(['text_job']))\n"
        "  sys.exit(128 + s.stopped_by if s.stopped_by else 0)\n"
    )
    script = root.parent / "run_it.py"
    script.write_text(code)
    arguments = [str(Path(__file__).parent), str(root), str(out), str(pause_s), str(workers), str(int(server))]
    return subprocess.Popen([sys.executable, str(script), *arguments], stderr=subprocess.PIPE)


def wait_for(path: Path, *, most_s: float) -> None:
    """Wait until another process has written the file `path`."""
    for _ in range(int(most_s / 0.02)):
        if path.exists():
            return
        time.sleep(0.02)
    raise AssertionError(f"after {most_s} s there is no {path}")


def wait_for_records(out: Path, count: int) -> None:
    """Wait until the manifest of a run in another process has `count` lines."""
    for _ in range(600):
        if (out / "manifest.jsonl").exists() and (out / "manifest.jsonl").read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"after 12 s the manifest has fewer than {count} records")
