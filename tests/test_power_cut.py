"""After a power cut each record that is left has its files, and damaged files are made anew."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from output_files import contents
from simulated_disk import Disk, records_without_files, restore, watch_syncs
from text_job import TextJob, inputs

from irisstn.batch import run_batch
from irisstn.datasets import find_images
from irisstn.errors import OutputError
from irisstn.outputs import group_commit
from irisstn.outputs.manifest import read_manifest
from irisstn.outputs.records import output_files


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if not Path("/proc/self/fd").exists():
        pytest.skip("names of open files are looked up in /proc")
    with watch_syncs(tmp_path / "out") as disk:
        yield disk


def test_whenever_the_power_goes_each_record_that_is_left_has_its_files(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(group_commit, "LARGEST", 4)
    source = tmp_path / "in"
    for folder in ("a", "a/b", "c"):
        (source / folder).mkdir(parents=True, exist_ok=True)
        samples = inputs(source / folder, 6, bad="bad")
    samples = inputs(source, 6)
    assert run_batch(TextJob(), samples, tmp_path / "out").done == 24
    assert len(disk.cuts) >= 6
    assert all(left["manifest.jsonl"] for left in disk.cuts)
    assert [records_without_files(left) for left in disk.cuts] == [0] * len(disk.cuts)
    assert all(json.loads(left["run.json"])["program"] == "irisstn" for left in disk.cuts)
    # A run over what a cut has left ends with what a run without a cut leaves.
    for left in disk.cuts[::3]:
        cut = tmp_path / "cut"
        shutil.rmtree(cut, ignore_errors=True)
        restore(left, cut)
        run_batch(TextJob(), samples, cut)
        assert contents(cut) == contents(tmp_path / "out")


def test_without_waiting_for_the_disk_a_cut_may_leave_records_alone(tmp_path: Path, disk: Disk):
    """The simulated disk tells the difference."""
    assert run_batch(TextJob(), inputs(tmp_path / "in", 6), tmp_path / "out", durable=False).done == 6
    assert all(records_without_files(left) for left in disk.cuts)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def shorter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [empty, shorter, Path.unlink])
def test_an_input_with_a_damaged_output_is_processed_again(tmp_path: Path, damage: Callable[[Path], None]):
    samples, out = inputs(tmp_path / "in", 5), tmp_path / "out"
    run_batch(TextJob(), samples, out)
    whole = contents(out)
    damage(out / "strips/0002.png")
    summary = run_batch(TextJob(), samples, out)
    assert (summary.done, summary.skipped) == (1, 4)
    assert contents(out) == whole


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"settings_sha256":', "\0" * 50])
def test_a_damaged_run_json_is_set_aside(tmp_path: Path, text: str):
    samples, out = inputs(tmp_path / "in", 5), tmp_path / "out"
    run_batch(TextJob(), samples, out)
    whole = contents(out)
    (out / "run.json").write_text(text)
    with pytest.raises(OutputError, match="records are of other settings"):
        run_batch(TextJob("?"), samples, out)
    assert (out / "run.json").read_text() == text
    summary = run_batch(TextJob(), samples, out)
    assert summary.skipped == 5
    assert summary.note is not None and "renamed run.json.damaged" in summary.note
    assert (out / "run.json.damaged").read_text() == text
    (out / "run.json.damaged").unlink()
    assert contents(out) == whole


def test_results_are_kept_while_an_input_cannot_be_read(tmp_path: Path):
    samples, out = inputs(tmp_path / "in", 5, bad="bad"), tmp_path / "out"
    run_batch(TextJob(), samples, out)
    whole = contents(out)
    (tmp_path / "in").rename(tmp_path / "away")
    summary = run_batch(TextJob(), samples, out)
    assert (summary.failed, summary.skipped, summary.done) == (6, 0, 0)
    assert sum("earlier results are kept" in reason for reason in summary.reasons) == 1
    kept = list(read_manifest(out))
    assert [record["status"] for record in kept] == ["ok"] * 5 + ["failed"]
    assert [(out / name).exists() for record in kept[:5] for name in output_files(record)] == [True] * 5
    (tmp_path / "away").rename(tmp_path / "in")
    run_batch(TextJob(), samples, out)
    assert contents(out) == whole


def test_a_file_name_with_a_nul_is_a_failed_record(tmp_path: Path):
    inputs(tmp_path / "in", 2)
    (tmp_path / "list.txt").write_bytes(b"in/0000.png\nin/0\0.png\nin/0001.png\n")
    for _ in range(2):
        summary = run_batch(TextJob(), find_images([tmp_path / "list.txt"]), tmp_path / "out")
        assert summary.failed == 1 and summary.done + summary.skipped == 2
    assert [record["status"] for record in read_manifest(tmp_path / "out")] == ["failed", "ok", "ok"]
