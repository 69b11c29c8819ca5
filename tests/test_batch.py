"""The runner, with a small job of its own: only the running matters here."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from output_files import contents

from irisstn.batch import run_batch
from irisstn.batch.job import Input, Process, Product
from irisstn.datasets import Sample, find_images
from irisstn.errors import DatasetError, ImageError, OutputError, WeightsError
from irisstn.outputs import Json, Record, read_manifest, safe_name


@dataclass(frozen=True)
class Shout:
    """Writes each input in capitals, slowly, or fails, crashes or hangs where the input says so."""

    mark: str = "!"
    pause_s: float = 0.0
    command: str = "shout"

    def settings(self) -> dict[str, Json]:
        return {"config": {"mark": self.mark}}

    @contextmanager
    def start(self) -> Iterator[Process]:
        if self.mark == "broken":
            raise WeightsError("no such mark")
        yield self._shout

    def _shout(self, source: Input) -> Product:
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
        name = f"strips/{source.name}.png"
        return Product({"strip": name}, {name: (text.upper() + self.mark).encode()})


def inputs(root: Path, count: int = 20, **special: str) -> list[Sample]:
    root.mkdir(exist_ok=True)
    for number in range(count):
        (root / f"{number:04d}.png").write_text(f"text {number}")
    for name, text in special.items():
        (root / f"{name}.png").write_text(text)
    return find_images([root])


def statuses(out: Path) -> dict[str, Json]:
    return {str(record["path"]): record["status"] for record in read_manifest(out)}


def test_records_files_and_counts(tmp_path: Path):
    samples = inputs(tmp_path / "in", 3, a="bad", b="bug")
    summary = run_batch(Shout(), samples, tmp_path / "out")
    assert (summary.done, summary.failed, summary.skipped, summary.total) == (3, 2, 0, 5)
    records = {str(record["path"]): record for record in read_manifest(tmp_path / "out")}
    assert list(records) == ["0000.png", "0001.png", "0002.png", "a.png", "b.png"]
    assert (tmp_path / "out" / str(records["0001.png"]["strip"])).read_text() == "TEXT 1!"
    assert (records["a.png"]["stage"], records["a.png"]["reason"]) == ("read", "bad input")
    assert records["b.png"]["stage"] == "internal"
    assert "KeyError" in str(records["b.png"]["reason"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".lock",
        "manifest.jsonl",
        "run.json",
        "strips",
    ]
    about = json.loads((tmp_path / "out/run.json").read_text())
    assert about["counts"] == {"inputs": 5, "ok": 3, "failed": 2}
    assert about["config"] == {"mark": "!"}
    assert about["finished"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_run_skips_what_holds_and_redoes_what_changed(tmp_path: Path, workers: int):
    samples = inputs(tmp_path / "in", a="bad")
    out = tmp_path / "out"
    run_batch(Shout(), samples, out, workers=workers)
    (tmp_path / "in/0003.png").write_text("new")
    (tmp_path / "in/0004.png").write_text("bad")
    (out / "strips/0005.png.png").unlink()
    (tmp_path / "in/a.png").write_text("good")
    summary = run_batch(Shout(), samples, out, workers=workers)
    assert (summary.done, summary.failed, summary.skipped) == (3, 1, 17)
    assert (out / "strips/0003.png.png").read_text() == "NEW!"
    assert (out / "strips/0005.png.png").read_text() == "TEXT 5!"
    assert not (out / "strips/0004.png.png").exists()
    run_batch(Shout(), samples, tmp_path / "fresh", workers=1)
    assert contents(out) == contents(tmp_path / "fresh")


def test_other_settings_are_refused_or_begin_anew(tmp_path: Path):
    samples = inputs(tmp_path / "in", 2)
    out = tmp_path / "out"
    run_batch(Shout(), samples, out)
    (out / "mine.txt").write_text("a note")
    with pytest.raises(OutputError, match=r'made with mark "!" \(now "\?"\)'):
        run_batch(Shout("?"), samples, out)
    assert (out / "strips/0000.png.png").read_text() == "TEXT 0!"
    run_batch(Shout("?"), samples[:1], out, overwrite=True)
    assert statuses(out) == {"0000.png": "ok"}
    assert [path.name for path in (out / "strips").iterdir()] == ["0000.png.png"]
    run_batch(Shout("?"), inputs(tmp_path / "other", 1, a="bad")[1:], out, overwrite=True)
    assert not (out / "strips").exists()
    assert (out / "mine.txt").exists()


def test_records_of_other_inputs_stay(tmp_path: Path):
    samples = inputs(tmp_path / "in", 4)
    run_batch(Shout(), samples[:2], tmp_path / "out")
    run_batch(Shout(), samples[2:], tmp_path / "out")
    run_batch(Shout(), samples, tmp_path / "whole")
    assert statuses(tmp_path / "out") == statuses(tmp_path / "whole")


def test_a_worker_that_dies_or_hangs_costs_its_input_only(tmp_path: Path):
    samples = inputs(tmp_path / "in", 20, c="crash", h="hang")
    summary = run_batch(Shout(), samples, tmp_path / "out", workers=2, limit_s=2)
    assert (summary.done, summary.failed) == (20, 2)
    reasons = {str(r["path"]): str(r.get("reason")) for r in read_manifest(tmp_path / "out") if r["status"] == "failed"}
    assert "ended the worker process (exit code -9)" in reasons["c.png"]
    assert "longer than 2 s" in reasons["h.png"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_cannot_start_is_told(tmp_path: Path, workers: int):
    with pytest.raises(WeightsError, match="no such mark"):
        run_batch(Shout("broken"), inputs(tmp_path / "in"), tmp_path / "out", workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_fail_fast_ends_early_and_the_next_run_goes_on(tmp_path: Path, workers: int):
    samples = inputs(tmp_path / "in", 40, **{"0002x": "bad"})
    # Slowly, so that no worker is through before the other has begun.
    summary = run_batch(Shout(pause_s=0.05), samples, tmp_path / "out", workers=workers, fail_fast=True)
    assert summary.failed == 1
    assert 0 < summary.done < 40
    assert json.loads((tmp_path / "out/run.json").read_text())["finished"] is None
    again = run_batch(Shout(), samples, tmp_path / "out", workers=workers)
    assert (again.skipped, again.done, again.failed) == (summary.done, 40 - summary.done, 1)


def test_the_manifest_survives_a_cut_at_any_byte(tmp_path: Path):
    samples = inputs(tmp_path / "in", 3, a="bad")
    out = tmp_path / "out"
    run_batch(Shout(), samples, out)
    whole, expected = (out / "manifest.jsonl").read_bytes(), contents(out)
    lines = whole.count(b"\n")
    for end in range(0, len(whole), 7):
        (out / "manifest.jsonl").write_bytes(whole[:end])
        assert len(list(read_manifest(out))) == whole[:end].count(b"\n") <= lines
        run_batch(Shout(), samples, out)
        assert contents(out) == expected


def test_a_later_record_replaces_an_earlier_one_and_junk_is_passed_over(tmp_path: Path):
    lines = [
        '{"path":"a","status":"failed"}',
        "junk",
        "[1]",
        '{"status":"ok"}',
        '{"path":"a","status":"ok"}',
        "[" * 9999,
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    assert list(read_manifest(tmp_path)) == [{"path": "a", "status": "ok"}]
    assert list(read_manifest(tmp_path / "none")) == []


def run_in_process(root: Path, out: Path, pause_s: float, workers: int) -> "subprocess.Popen[bytes]":
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import test_batch as t\n"
        "if __name__ == '__main__':\n"
        "  s = t.run_batch(t.Shout(pause_s=float(sys.argv[4])), t.find_images([sys.argv[2]]), Path(sys.argv[3]),"
        " workers=int(sys.argv[5]))\n"
        "  sys.exit(128 + s.stopped_by if s.stopped_by else 0)\n"
    )
    script = root.parent / "run_it.py"
    script.write_text(code)
    arguments = [str(Path(__file__).parent), str(root), str(out), str(pause_s), str(workers)]
    return subprocess.Popen([sys.executable, str(script), *arguments], stderr=subprocess.PIPE)


def wait_for_records(out: Path, count: int) -> None:
    for _ in range(600):
        if (out / "manifest.jsonl").exists() and (out / "manifest.jsonl").read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.02)
    raise AssertionError("the run does not get on")


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_and_resumed_is_like_never_broken(tmp_path: Path, workers: int):
    samples = inputs(tmp_path / "in", 60, a="bad")
    out = tmp_path / "out"
    for done in (5, 30):
        run = run_in_process(tmp_path / "in", out, 0.01, workers)
        wait_for_records(out, done)
        run.kill()
        run.communicate()
    before = len(list(read_manifest(out)))
    assert 30 <= before < 61
    summary = run_batch(Shout(), samples, out, workers=workers)
    assert summary.skipped >= before - 1
    run_batch(Shout(), samples, tmp_path / "unbroken")
    assert contents(out) == contents(tmp_path / "unbroken")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_the_workers_of_a_killed_run_end_with_it(tmp_path: Path):
    def living() -> dict[int, int]:
        """The parent of each process that lives: of none that is a zombie, which nobody has buried yet."""
        parents = {}
        for stat_file in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                state, parent = stat_file.read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(stat_file.parent.name)] = int(parent)
        return parents

    inputs(tmp_path / "in", 60)
    run = run_in_process(tmp_path / "in", tmp_path / "out", 0.5, 2)
    wait_for_records(tmp_path / "out", 1)
    team = {process for process, parent in living().items() if parent == run.pid}
    assert len(team) >= 2
    run.kill()
    run.communicate()
    for _ in range(100):
        left = team & set(living())
        if not left:
            return
        time.sleep(0.05)
    raise AssertionError(f"{left} live on")


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_signals_end_a_run_in_order(tmp_path: Path, number: signal.Signals, workers: int):
    inputs(tmp_path / "in", 60)
    out = tmp_path / "out"
    run = run_in_process(tmp_path / "in", out, 0.02, workers)
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
        run_batch(Shout(), samples, out)
    run.kill()
    run.communicate()
    assert run_batch(Shout(), samples, out).failed == 0


def test_an_output_that_cannot_be_written_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    samples = inputs(tmp_path / "in", 5)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        run_batch(Shout(), samples, tmp_path / "file")
    real, left = Path.write_bytes, 3

    def full(path: Path, data: bytes) -> int:
        nonlocal left
        left -= path.suffix == ".tmp"
        if left < 0:
            raise OSError(28, "No space left on device")
        return real(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match="No space left") as error:
            run_batch(Shout(), samples, tmp_path / "out")
    assert error.value.stage == "write"
    assert run_batch(Shout(), samples, tmp_path / "out").skipped == 2
    run_batch(Shout(), samples, tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("only root may mount")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_is_full_ends_the_run_and_room_lets_it_go_on(small_disk: Path, tmp_path: Path, workers: int):
    samples = inputs(tmp_path / "in", 40)
    out = small_disk / "out"
    (small_disk / "ballast").write_bytes(bytes(40 << 10))
    with pytest.raises(OutputError, match="No space left") as error:
        run_batch(Shout(), samples, out, workers=workers)
    assert error.value.stage == "write"
    written = list(out.rglob("*.png"))
    assert written
    assert all(path.read_text().startswith("TEXT") for path in written)  # whole or not there
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    summary = run_batch(Shout(), samples, out, workers=workers)
    assert summary.skipped > 0
    assert summary.done + summary.skipped == 40
    run_batch(Shout(), samples, tmp_path / "fresh")
    assert contents(out) == contents(tmp_path / "fresh")


def test_a_read_only_output(small_disk: Path, tmp_path: Path):
    samples = inputs(tmp_path / "in", 2)
    run_batch(Shout(), samples[:1], small_disk / "out")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OutputError, match="Read-only"):
        run_batch(Shout(), samples, small_disk / "out")
    with pytest.raises(OutputError, match="Read-only"):
        run_batch(Shout(), samples, small_disk / "new")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_without_permission(tmp_path: Path):
    (tmp_path / "out").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(OutputError, match="cannot be written"):
        run_batch(Shout(), inputs(tmp_path / "in", 2), tmp_path / "out")


def test_twins_where_the_disk_takes_them_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for number, name in enumerate(["a.png", "A.png", "b/\u00e9.png", "b/e\u0301.png", "c.png"]):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(f"text {number}")
    samples = find_images([tmp_path / "in"])
    assert run_batch(Shout(), samples, tmp_path / "apart").done == 5
    real = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path, **how: path.name == "CASE" or real(path, **how))
    summary = run_batch(Shout(), samples, tmp_path / "out")
    assert (summary.done, summary.failed) == (3, 2)
    records = {str(record["path"]): record for record in read_manifest(tmp_path / "out")}
    assert set(records) == {sample.name for sample in samples}  # each has its record
    assert records["a.png"]["reason"] == "on this file system its files would overwrite those of A.png"


def test_odd_inputs_each_get_a_record(tmp_path: Path):
    root = tmp_path / "in"
    names = ["a b.png", "new\nline.png", "\N{EYE}/\N{EYE}.png", "x" * 246 + ".png", "x" * 251 + ".png", "d/a b.png"]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name[:3])
    os.mkfifo(root / "pipe.png")
    (root / "dead.png").symlink_to("nothing")
    (root / "loop").symlink_to(root)
    summary = run_batch(Shout(), find_images([root]), tmp_path / "out")
    assert (summary.done, summary.failed) == (5, 3)
    records = {str(record["path"]): record for record in read_manifest(tmp_path / "out")}
    assert set(records) == {*names, "pipe.png", "dead.png"}
    assert records["x" * 251 + ".png"]["stage"] == "write"
    assert "regular" in str(records["pipe.png"]["reason"])
    assert len((tmp_path / "out/manifest.jsonl").read_text().splitlines()) == 8
    assert run_batch(Shout(), find_images([root]), tmp_path / "out").skipped == 5


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a\0b", 3, None])
def test_paths_in_a_manifest_are_not_trusted(name: Json):
    with pytest.raises(DatasetError):
        safe_name(name)


def test_a_hostile_manifest_removes_nothing_outside(tmp_path: Path):
    out = tmp_path / "out"
    run_batch(Shout(), inputs(tmp_path / "in", 1), out)
    (tmp_path / "precious").touch()
    record: Record = {"path": "0000.png", "status": "ok", "strip": "../precious", "variants": ["../../precious"]}
    (out / "manifest.jsonl").write_text(json.dumps(record) + "\n")
    run_batch(Shout("?"), inputs(tmp_path / "in", 1), out, overwrite=True)
    assert (tmp_path / "precious").exists()
