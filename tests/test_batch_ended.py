"""Runs that are killed, interrupted or started twice, and workers that end."""

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from output_files import contents
from text_job import TextJob, inputs, run_in_process, statuses, wait_for_records

from irisstn.batch import run_batch
from irisstn.errors import OutputError
from irisstn.images import decoding_may_take_long
from irisstn.outputs.manifest import read_manifest


def test_the_input_of_a_worker_that_crashes_or_hangs_fails_alone(tmp_path: Path):
    samples = inputs(tmp_path / "in", 20, c="crash", h="hang")
    summary = run_batch(TextJob(), samples, tmp_path / "out", workers=2, limit_s=2)
    assert (summary.done, summary.failed) == (20, 2)
    reasons = {str(r["path"]): str(r.get("reason")) for r in read_manifest(tmp_path / "out") if r["status"] == "failed"}
    assert "ended the worker process (exit code -9)" in reasons["c.png"]
    assert "longer than 2 s" in reasons["h.png"]


def test_an_input_that_hangs_fails_alone_without_worker_processes(tmp_path: Path):
    samples = inputs(tmp_path / "in", 3, h="hang")
    for _ in range(2):
        summary = run_batch(TextJob(), samples, tmp_path / "out", workers=1, limit_s=0.3)
        assert (summary.done + summary.skipped, summary.failed) == (3, 1)
        assert summary.reasons == {"process: took longer than 0.3 s": 1}
    assert statuses(tmp_path / "out")["h.png"] == "failed"
    (tmp_path / "in/h.png").write_text("text")
    assert run_batch(TextJob(), samples, tmp_path / "out", limit_s=1e12).done == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_and_resumed_run_gives_the_bytes_of_one_that_was_not_killed(tmp_path: Path, workers: int):
    samples = inputs(tmp_path / "in", 60, a="bad")
    out = tmp_path / "out"
    for done in (5, 30):
        run = run_in_process(tmp_path / "in", out, 0.05, workers)
        wait_for_records(out, done)
        run.kill()
        run.communicate()
    before = len(list(read_manifest(out)))
    assert 30 <= before < 61
    summary = run_batch(TextJob(), samples, out, workers=workers)
    assert summary.skipped >= before - 1
    run_batch(TextJob(), samples, tmp_path / "uninterrupted")
    assert contents(out) == contents(tmp_path / "uninterrupted")


@pytest.mark.parametrize("server", [False, True])
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_the_workers_of_a_killed_run_end_with_it(tmp_path: Path, server: bool):
    def running() -> dict[int, int]:
        """The parent of each running process, without zombies."""
        parents = {}
        for stat_file in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                state, parent = stat_file.read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(stat_file.parent.name)] = int(parent)
        return parents

    inputs(tmp_path / "in", 60)
    run = run_in_process(tmp_path / "in", tmp_path / "out", 0.5, 2, server=server)
    wait_for_records(tmp_path / "out", 1)
    parents = running()
    workers = {process for process, parent in parents.items() if run.pid in (parent, parents.get(parent))}
    assert len(workers) >= 2 + server
    run.kill()
    run.communicate()
    for _ in range(100):
        left = workers & set(running())
        if not left:
            return
        time.sleep(0.05)
    raise AssertionError(f"the processes {left} are still running")


@pytest.mark.parametrize(
    ("number", "workers", "server"), [(signal.SIGINT, 1, False), (signal.SIGTERM, 2, False), (signal.SIGINT, 2, True)]
)
def test_signals_end_a_run_in_order(tmp_path: Path, number: signal.Signals, workers: int, server: bool):
    inputs(tmp_path / "in", 60)
    out = tmp_path / "out"
    run = run_in_process(tmp_path / "in", out, 0.1, workers, server=server)
    wait_for_records(out, 3)
    run.send_signal(number)
    _, errors = run.communicate(timeout=20)
    assert run.returncode == 128 + number
    assert errors == b""
    found = statuses(out)
    assert 3 <= len(found) < 60
    assert set(found.values()) == {"ok"}
    assert not (out / ".unfinished").exists()


def test_two_runs_exclude_each_other(tmp_path: Path):
    samples = inputs(tmp_path / "in", 60)
    out = tmp_path / "out"
    run = run_in_process(tmp_path / "in", out, 0.2, 1)
    wait_for_records(out, 1)
    with pytest.raises(OutputError, match=f"in use by another run .process {run.pid}"):
        run_batch(TextJob(), samples, out)
    run.kill()
    run.communicate()
    assert run_batch(TextJob(), samples, out).failed == 0


def slow_picture() -> bytes:
    """A JPEG 2000 file of noise, over 5 million pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (2300, 2300), np.uint8)
    return bytes(cv2.imencode(".jp2", noise)[1])


def start_segment(eyes: Path, out: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "irisstn", "segment", str(eyes), "-o", str(out), "--workers", "1", *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_decoder_ends_at_the_limit_with_one_worker(tmp_path: Path, eyes: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jp2").write_bytes(slow_picture())
    shutil.copy(next(eyes.rglob("*.png")), tmp_path / "in/b.png")
    # A tenth of what its decoder takes: nothing in this process could end it.
    run = start_segment(tmp_path / "in", tmp_path / "out", "--limit", "0.03")
    run.communicate(timeout=60)
    reasons = {str(record["path"]): record.get("reason") for record in read_manifest(tmp_path / "out")}
    assert run.returncode == 3 and reasons["a.jp2"] == "took longer than 0.03 s"
    run = start_segment(tmp_path / "in", tmp_path / "out", "--limit", "60", "--json")
    assert json.loads(run.communicate(timeout=60)[0])["total"] == 2
    assert {record.get("stage") for record in read_manifest(tmp_path / "out")} == {None, "segment"}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_input_that_hangs_does_not_outlive_a_signal(tmp_path: Path, workers: int):
    inputs(tmp_path / "in", 30, n="hang")
    out = tmp_path / "out"
    run = run_in_process(tmp_path / "in", out, 0.0, workers)
    wait_for_records(out, 30)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=20)  # the input hangs for a minute
    assert (run.returncode, errors) == (128 + signal.SIGINT, b"")
    assert set(statuses(out).values()) == {"ok"} and len(statuses(out)) == 30


def test_what_may_take_long_to_decode_is_told_by_its_header():
    def encoded(suffix: str, *shape: int) -> bytes:
        return bytes(cv2.imencode(suffix, np.zeros(shape, np.uint8))[1])

    assert decoding_may_take_long(encoded(".png", 2300, 2300)) and not decoding_may_take_long(encoded(".png", 480, 640))
    assert decoding_may_take_long(encoded(".jp2", 1600, 1600)) and not decoding_may_take_long(
        encoded(".png", 1600, 1600)
    )
    baseline = encoded(".jpg", 480, 640)
    scan = baseline[baseline.index(b"\xff\xda") : -2]
    assert not decoding_may_take_long(baseline) and decoding_may_take_long(baseline[:-2] + 19 * scan + baseline[-2:])
    assert decoding_may_take_long(b"\0\0\0\x1cftypavif" + bytes(100))
    assert not decoding_may_take_long(b"no picture")
