# mypy: disable-error-code="arg-type"
"""The runner on Ray: the bytes and the records of one machine."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from output_files import contents
from text_job import TextJob, inputs, statuses, wait_for

from irisstn.batch import run_batch
from irisstn.batch.jobs.job import identity
from irisstn.batch.ray_engine import RayWorker
from irisstn.cli import cli
from irisstn.storage.local import LocalStorage


def run_python(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def test_ray_gives_the_bytes_and_the_records_of_one_machine(tmp_path: Path):
    pytest.importorskip("ray")
    samples = inputs(tmp_path / "in", 30, a="bad", b="bug", c="crash")
    run_batch(TextJob(), samples[:12], tmp_path / "ray")  # which the run on Ray resumes
    code = (
        "import sys; from pathlib import Path; from irisstn.batch import Cluster, run_batch\n"
        "from text_job import TextJob, find_images\n"
        "samples = find_images([sys.argv[1]])\n"
        "summary = run_batch(TextJob(), samples, Path(sys.argv[2]), cluster=Cluster(workers=2))\n"
        "assert (summary.done, summary.skipped, summary.failed) == (18, 12, 3), summary\n"
    )
    done = run_python("-c", code, str(tmp_path / "in"), str(tmp_path / "ray"))
    assert done.returncode == 0, done.stderr
    run_batch(TextJob(), samples, tmp_path / "local", workers=2)
    got = contents(tmp_path / "ray")
    assert got == contents(tmp_path / "local")
    assert len(got) == 30 + 2
    assert b"ended the worker process (exit code -9)" in got["manifest.jsonl"]


def test_one_signal_ends_a_run_on_ray_whose_inputs_hang(tmp_path: Path):
    pytest.importorskip("ray")
    inputs(tmp_path / "in", 1, n="hang")
    code = (
        "import sys; from pathlib import Path; from irisstn.batch import Cluster, run_batch\n"
        "from text_job import TextJob, find_images\n"
        "summary = run_batch(TextJob(), find_images([sys.argv[1]]), Path(sys.argv[2]), cluster=Cluster(workers=2))\n"
        "print('stopped by', summary.stopped_by)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", code, str(tmp_path / "in"), str(tmp_path / "out")]
    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(tmp_path / "out/strips/0000.png", most_s=100)  # Ray starts slowly
        run.send_signal(signal.SIGINT)
        printed, errors = run.communicate(timeout=50)  # the input hangs for a minute
    finally:
        run.kill()
    assert "stopped by 2" in printed.splitlines() and run.returncode == 0, errors  # Ray prints as well
    assert set(statuses(tmp_path / "out")) <= {"0000.png"}


def test_the_command_on_ray_from_url_to_url(eyes: Path, tmp_path: Path):
    pytest.importorskip("ray")
    out = tmp_path / "ray"
    arguments = ["rectify", f"local://{eyes}", "-o", f"local://{out}", "--augment", "1", "--json"]
    done = run_python("-m", "irisstn", *arguments, "--engine", "ray", "--workers", "2")
    assert done.returncode in (0, 3), done.stderr
    summary = json.loads(done.stdout)
    assert summary["done"] >= 9
    assert summary["report"] is None
    command = ["rectify", str(eyes), "-o", str(tmp_path / "local"), "--augment", "1", "--workers", "1"]
    assert CliRunner().invoke(cli, command).exit_code == done.returncode
    local = contents(tmp_path / "local")
    assert local.pop("report.html")
    assert contents(out) == local
    assert len(local) > 6 * summary["done"]


def test_a_node_with_another_program_ends_the_run(tmp_path: Path):
    (tmp_path / "in.png").write_text("text")
    storage = LocalStorage(tmp_path / "out", tmp_path)
    rows = {"task": [json.dumps({"name": "in.png", "path": str(tmp_path / "in.png")}).encode()]}
    same = RayWorker(TextJob(), storage, 60.0, identity(TextJob()))
    (row,) = same(rows)
    assert json.loads(row["outcome"][0])["records"][0]["status"] == "ok"
    other = RayWorker(TextJob(), storage, 60.0, identity(TextJob()) | {"version": "0.0", "segmenter_sha256": "0"})
    (row,) = other(rows)
    assert json.loads(row["outcome"][0])["fatal"].endswith("has another segmenter_sha256, version")


def test_a_cluster_that_is_not_there(tmp_path: Path):
    pytest.importorskip("ray")
    (tmp_path / "a.png").touch()
    arguments = ["segment", str(tmp_path), "-o", str(tmp_path / "out"), "--ray-address", "127.0.0.1:1"]
    without_engine = CliRunner().invoke(cli, arguments)
    assert without_engine.exit_code == 2 and "needs --engine ray" in without_engine.output
    done = run_python("-m", "irisstn", *arguments, "--engine", "ray")
    assert done.returncode == 2
    assert "no Ray cluster at 127.0.0.1:1" in done.stderr


def test_a_ray_that_does_not_start_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ray = pytest.importorskip("ray")

    def fail(*_: object, **__: object) -> None:
        raise Exception("The current node timed out during startup.\nThe raylet failed.")

    monkeypatch.setattr(ray, "init", fail)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    (tmp_path / "a.png").touch()
    arguments = ["segment", str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), "--engine", "ray", "--workers", "1"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 1
    assert "Error: process: Ray does not start on this machine: The current node timed out" in done.output
    assert "raylet failed.\n" in done.output and "Traceback" not in done.output
