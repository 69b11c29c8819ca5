"""The process from which the workers of a command are forked, and workers that do not start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from output_files import contents
from text_job import TextJob, inputs

from irisstn.batch import run_batch
from irisstn.errors import IrisError
from irisstn.outputs.manifest import read_manifest
from irisstn.worker_server import enough_inputs, start_worker_server

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere worker processes are spawned")
# Prints the number of threads of the server, and, after signals to it, what a run gives whose workers it forks.
SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from irisstn.worker_server import start_worker_server

def about_parent(connection):
    threads = Path(f"/proc/{os.getppid()}/status").read_text().partition("Threads:")[2].split()[0]
    connection.send((os.getppid(), threads, "irisstn.batch.jobs.embed" in sys.modules))

if __name__ == "__main__":
    environment = dict(os.environ)
    assert start_worker_server(["irisstn.batch.process_pool", *(f"irisstn.batch.jobs.{name}" for name in sys.argv[4:])])
    assert os.environ == environment
    import multiprocessing
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=about_parent, args=(theirs,))
    process.start()
    server, threads, imported = ours.recv()
    process.join()
    os.kill(server, signal.SIGINT)
    os.kill(server, signal.SIGTERM)
    from text_job import TextJob, find_images
    from irisstn.batch import run_batch
    summary = run_batch(TextJob(), find_images([sys.argv[2]]), Path(sys.argv[3]), workers=2, worker_server=True)
    os.kill(server, 0)
    print(threads, imported, summary.done, summary.failed)
"""


@ON_LINUX
def test_the_server_has_one_thread_and_outlives_signals_and_crashes_of_its_workers(tmp_path: Path):
    samples = inputs(tmp_path / "in", 20, c="crash")
    (tmp_path / "script.py").write_text(SCRIPT)
    folders = [str(Path(__file__).parent), str(tmp_path / "in"), str(tmp_path / "out")]
    command = [sys.executable, str(tmp_path / "script.py"), *folders, "segment", "rectify", "embed"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["1", "True", "20", "1"], "")
    (tmp_path / "in/c.png").unlink()
    run_batch(TextJob(), [sample for sample in samples if sample.name != "c.png"], tmp_path / "one")
    (tmp_path / "out/strips").rename(tmp_path / "strips")
    assert contents(tmp_path / "strips") == contents(tmp_path / "one/strips")


@ON_LINUX
def test_a_command_gives_the_same_with_workers_from_the_server(tmp_path: Path, eyes: Path):
    picture = next(eyes.rglob("*.png")).read_bytes()
    (tmp_path / "in").mkdir()
    for number in range(16):
        (tmp_path / f"in/{number}.png").write_bytes(picture if number < 2 else b"no picture")
    for workers in "12":
        command = ["segment", str(tmp_path / "in"), "-o", str(tmp_path / workers), "--workers", workers, "--json"]
        command = [sys.executable, "-m", "irisstn", *command]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (3, "")
        assert json.loads(done.stdout)["done"] == 2
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert len(list(read_manifest(tmp_path / "2"))) == 16


@ON_LINUX
def test_the_server_imports_nothing_from_the_current_folder(tmp_path: Path):
    (tmp_path / "numpy.py").write_text("from pathlib import Path\nPath('imported').touch()\n")
    for number in range(16):
        (tmp_path / f"{number}.png").write_bytes(b"no picture")
    start = (
        "import sys; sys.path.remove(''); from irisstn.__main__ import main; main()"  # as the installed command does
    )
    command = [sys.executable, "-c", start, "segment", ".", "-o", "out", "--workers", "2", "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert json.loads(done.stdout)["failed"] == 16, done.stderr
    assert not (tmp_path / "imported").exists()


@ON_LINUX
def test_a_command_runs_with_its_streams_closed(tmp_path: Path):
    for number in range(16):
        (tmp_path / f"{number}.png").write_bytes(b"no picture")
    command = f"exec {sys.executable} -m irisstn segment {tmp_path} -o {tmp_path / 'out'} --workers 2 <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], check=False, timeout=60).returncode == 3
    assert len(list(read_manifest(tmp_path / "out"))) == 16


@ON_LINUX
def test_what_cannot_be_printed_is_told_in_one_line(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    command = f"exec {sys.executable} -m irisstn segment {tmp_path / 'a.png'} -o {out} --json >/dev/full"
    done = subprocess.run(["sh", "-c", command], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.endswith("Error: what the command prints cannot be written: No space left on device\n")
    assert len(list(read_manifest(out))) == 1


def test_a_worker_that_cannot_be_started_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", refuse)
    with pytest.raises(IrisError, match=r"a worker process cannot be started: .*temporarily unavailable") as error:
        run_batch(TextJob(), inputs(tmp_path / "in", 20), tmp_path / "out", workers=2)
    assert "\n" not in str(error.value)


def test_processes_are_worth_their_start_for_many_inputs(tmp_path: Path):
    (tmp_path / "many/deep").mkdir(parents=True)
    for number in range(16):
        (tmp_path / f"many/deep/{number}.png").touch()
    (tmp_path / "few").mkdir()
    pictures = [str(path) for path in sorted((tmp_path / "many/deep").iterdir())]
    (tmp_path / "few/list.txt").write_text("\n".join(pictures))
    few, many = str(tmp_path / "few"), str(tmp_path / "many")
    assert enough_inputs([many], 2) and enough_inputs(pictures, 2) and enough_inputs([few, *pictures], 2)
    assert enough_inputs([f"{few}/list.txt"], 2) and enough_inputs(["s3://eyes"], 2) and enough_inputs(["a/*.png"], 2)
    assert not enough_inputs([many], 1) and not enough_inputs([few], 2) and not enough_inputs(pictures[:15], 2)


@pytest.mark.skipif(sys.platform == "linux", reason="Linux has the server")
def test_elsewhere_there_is_no_server():
    assert not start_worker_server([])
