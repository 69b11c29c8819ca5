"""The runner, with a job that is simple and quick."""

import json
from pathlib import Path

import pytest
from output_files import contents
from text_job import TextJob, inputs, statuses

from irisstn.batch import run_batch
from irisstn.errors import OutputError, WeightsError
from irisstn.outputs.manifest import read_manifest


def test_records_files_and_counts(tmp_path: Path):
    samples = inputs(tmp_path / "in", 3, a="bad", b="bug")
    summary = run_batch(TextJob(), samples, tmp_path / "out")
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
    assert about["counts"] == {"inputs": 5, "ok": 3, "failed": 2, "passed_over": {}}
    assert about["config"] == {"suffix": "!"}
    assert about["finished"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_run_skips_what_is_valid_and_repeats_what_changed(tmp_path: Path, workers: int):
    samples = inputs(tmp_path / "in", a="bad")
    out = tmp_path / "out"
    run_batch(TextJob(), samples, out, workers=workers)
    (tmp_path / "in/0003.png").write_text("new")
    (tmp_path / "in/0004.png").write_text("bad")
    (out / "strips/0005.png").unlink()
    (tmp_path / "in/a.png").write_text("good")
    summary = run_batch(TextJob(), samples, out, workers=workers)
    assert (summary.done, summary.failed, summary.skipped) == (3, 1, 17)
    assert (out / "strips/0003.png").read_text() == "NEW!"
    assert (out / "strips/0005.png").read_text() == "TEXT 5!"
    assert not (out / "strips/0004.png").exists()
    run_batch(TextJob(), samples, tmp_path / "fresh", workers=1)
    assert contents(out) == contents(tmp_path / "fresh")


def test_other_settings_are_refused_unless_the_output_is_overwritten(tmp_path: Path):
    samples = inputs(tmp_path / "in", 2)
    out = tmp_path / "out"
    run_batch(TextJob(), samples, out)
    (out / "mine.txt").write_text("a note")
    with pytest.raises(OutputError, match=r'made with suffix "!" \(now "\?"\)'):
        run_batch(TextJob("?"), samples, out)
    assert (out / "strips/0000.png").read_text() == "TEXT 0!"
    run_batch(TextJob("?"), samples[:1], out, overwrite=True)
    assert statuses(out) == {"0000.png": "ok"}
    assert [path.name for path in (out / "strips").iterdir()] == ["0000.png"]
    run_batch(TextJob("?"), inputs(tmp_path / "other", 1, a="bad")[1:], out, overwrite=True)
    assert not (out / "strips").exists()
    assert (out / "mine.txt").exists()


def test_records_of_other_inputs_are_kept(tmp_path: Path):
    samples = inputs(tmp_path / "in", 4)
    run_batch(TextJob(), samples[:2], tmp_path / "out")
    run_batch(TextJob(), samples[2:], tmp_path / "out")
    run_batch(TextJob(), samples, tmp_path / "whole")
    assert statuses(tmp_path / "out") == statuses(tmp_path / "whole")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_cannot_start_ends_the_run(tmp_path: Path, workers: int):
    with pytest.raises(WeightsError, match="no such suffix"):
        run_batch(TextJob("broken"), inputs(tmp_path / "in"), tmp_path / "out", workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_fail_fast_ends_early_and_the_next_run_resumes(tmp_path: Path, workers: int):
    samples = inputs(tmp_path / "in", 40, **{"0002x": "bad"})
    # With a pause, so that no worker finishes before the other one has started.
    summary = run_batch(TextJob(pause_s=0.05), samples, tmp_path / "out", workers=workers, fail_fast=True)
    assert summary.failed == 1
    assert 0 < summary.done < 40
    assert json.loads((tmp_path / "out/run.json").read_text())["finished"] is None
    again = run_batch(TextJob(), samples, tmp_path / "out", workers=workers)
    assert (again.skipped, again.done, again.failed) == (summary.done, 40 - summary.done, 1)


def test_the_manifest_survives_a_cut_at_any_byte(tmp_path: Path):
    samples = inputs(tmp_path / "in", 3, a="bad")
    out = tmp_path / "out"
    run_batch(TextJob(), samples, out)
    whole, expected = (out / "manifest.jsonl").read_bytes(), contents(out)
    lines = whole.count(b"\n")
    for end in range(0, len(whole), 11):
        (out / "manifest.jsonl").write_bytes(whole[:end] + bytes(end % 3 * 20))  # some file systems fill up with zeros
        assert len(list(read_manifest(out))) == whole[:end].count(b"\n") <= lines
        run_batch(TextJob(), samples, out, durable=False)
        assert contents(out) == expected


def test_a_later_record_replaces_an_earlier_one_and_other_lines_are_skipped(tmp_path: Path):
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
