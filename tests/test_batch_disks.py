"""Disks that are full, read-only or ignore case; odd names among the inputs; manifests that were changed."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from output_files import contents
from text_job import TextJob, inputs

from irisstn.batch import run_batch
from irisstn.datasets import find_images
from irisstn.errors import DatasetError, OutputError
from irisstn.outputs.manifest import read_manifest
from irisstn.outputs.records import Json, Record
from irisstn.storage.file_names import safe_name


def test_an_output_that_cannot_be_written_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    samples = inputs(tmp_path / "in", 5)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        run_batch(TextJob(), samples, tmp_path / "file")
    real, left = os.open, 3

    def full(path: str | Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        nonlocal left
        written = str(path).endswith(".tmp")
        left -= written
        if written and left < 0:
            raise OSError(28, "No space left on device")
        return real(path, flags, mode, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(OutputError, match="No space left") as error:
            run_batch(TextJob(), samples, tmp_path / "out")
    assert error.value.stage == "write"
    assert run_batch(TextJob(), samples, tmp_path / "out").skipped == 2
    run_batch(TextJob(), samples, tmp_path / "fresh")
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
def test_a_full_disk_ends_the_run_and_the_next_run_resumes(small_disk: Path, tmp_path: Path, workers: int):
    samples = inputs(tmp_path / "in", 40)
    out = small_disk / "out"
    run_batch(TextJob(), samples[:2], out)
    (small_disk / "ballast").write_bytes(bytes(32 << 10))
    with pytest.raises(OutputError, match="No space left") as error:
        run_batch(TextJob(), samples, out, workers=workers)
    assert error.value.stage == "write"
    written = list(out.rglob("*.png"))
    assert written
    assert all(path.read_text().startswith("TEXT") for path in written)  # complete, or not there
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    summary = run_batch(TextJob(), samples, out, workers=workers)
    assert summary.skipped > 0
    assert summary.done + summary.skipped == 40
    run_batch(TextJob(), samples, tmp_path / "fresh")
    assert contents(out) == contents(tmp_path / "fresh")


def test_a_read_only_output(small_disk: Path, tmp_path: Path):
    samples = inputs(tmp_path / "in", 2)
    run_batch(TextJob(), samples[:1], small_disk / "out")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OutputError, match="Read-only"):
        run_batch(TextJob(), samples, small_disk / "out")
    with pytest.raises(OutputError, match="Read-only"):
        run_batch(TextJob(), samples, small_disk / "new")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_without_permission(tmp_path: Path):
    (tmp_path / "out").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(OutputError, match="cannot be written"):
        run_batch(TextJob(), inputs(tmp_path / "in", 2), tmp_path / "out")


def test_names_that_differ_in_case_alone_on_a_disk_that_ignores_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for number, name in enumerate(["a.png", "A.png", "b/\u00e9.png", "b/e\u0301.png", "c.png"]):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(f"text {number}")
    samples = find_images([tmp_path / "in"])
    assert run_batch(TextJob(), samples, tmp_path / "with_case").done == 5
    real = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path, **how: path.name == "CASE" or real(path, **how))
    summary = run_batch(TextJob(), samples, tmp_path / "out")
    assert (summary.done, summary.failed) == (3, 2)
    records = {str(record["path"]): record for record in read_manifest(tmp_path / "out")}
    assert set(records) == {sample.name for sample in samples}  # each has its record
    assert records["a.png"]["reason"] == "on this file system its files would overwrite those of A.png"


def test_odd_inputs_each_get_a_record(tmp_path: Path):
    root = tmp_path / "in"
    names = ["a b.png", "new\nline.png", "\N{EYE}/\N{EYE}.png", "x" * 246 + ".png", "x" * 251 + ".jpg", "d/a b.png"]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name[:3])
    os.mkfifo(root / "pipe.png")
    (root / "dead.png").symlink_to("nothing")
    (root / "loop").symlink_to(root)
    summary = run_batch(TextJob(), find_images([root]), tmp_path / "out")
    assert (summary.done, summary.failed) == (5, 3)
    records = {str(record["path"]): record for record in read_manifest(tmp_path / "out")}
    assert set(records) == {*names, "pipe.png", "dead.png"}
    assert records["x" * 251 + ".jpg"]["stage"] == "write"
    assert "regular" in str(records["pipe.png"]["reason"])
    assert len((tmp_path / "out/manifest.jsonl").read_text().splitlines()) == 8
    assert run_batch(TextJob(), find_images([root]), tmp_path / "out").skipped == 5


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a\0b", 3, None])
def test_paths_in_a_manifest_are_not_trusted(name: Json):
    with pytest.raises(DatasetError):
        safe_name(name)


def test_a_hostile_manifest_removes_nothing_outside(tmp_path: Path):
    out = tmp_path / "out"
    run_batch(TextJob(), inputs(tmp_path / "in", 1), out)
    (tmp_path / "precious").touch()
    record: Record = {"path": "0000.png", "status": "ok", "strip": "../precious", "variants": ["../../precious"]}
    (out / "manifest.jsonl").write_text(json.dumps(record) + "\n")
    run_batch(TextJob("?"), inputs(tmp_path / "in", 1), out, overwrite=True)
    assert (tmp_path / "precious").exists()
