# mypy: disable-error-code="operator"
"""The benchmarks of the folder runner at small size, and the files of results."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from batch_junk import segment_junk
from batch_kills import kill_and_resume
from batch_speed import measure_memory, measure_speed
from block_device_cuts import cut_and_resume as cut_power_and_resume
from block_device_cuts import make_file_system, mounted
from changed_eyes import CHANGES
from command_kills import commands as killed_commands
from command_kills import kill_command
from foreign_circles import main as foreign_circles
from growth import comparison_costs, match_cost, resume_cost
from occlusions import main as occlusion_masks
from occlusions import results_table as occlusion_table
from power_cuts import commands as cut_commands
from power_cuts import cut_and_resume
from recognition_conditions import CONDITIONS
from recognition_tables import results_tables
from rectification import results_table as rectification_table
from results_file import RESULTS, Figure, Table, write_results
from segmentation import results_table as segmentation_table
from segmentation import summary
from segmentation_changed import rendered as rendered_eyes
from segmentation_changed import row as changed_row
from segmentation_changed import score as score_changed
from segmentation_held_out import Scored, camera_row, score
from segmentation_scores import Score

from irisstn.datasets import find_images

KEYS = {"benchmark", "command", "commit", "date", "machine", "versions", "seed", "tables"}


def test_no_record_is_lost_or_doubled_by_kills(eyes: Path, tmp_path: Path):
    found = kill_and_resume(eyes, tmp_path, kills=5, workers=1, seed=3)
    assert (found["kills"], found["inputs"], found["records"]) == (5, 12, 12)
    assert found["files compared"] > 4 * 9
    assert (found["inputs lost"], found["inputs twice"], found["files that differ"], found["leftovers"]) == (0, 0, 0, 0)


def test_commands_are_killed_and_cut_off_and_give_the_same_files(eyes: Path, tmp_path: Path):
    (tmp_path / "inputs").mkdir()
    match = killed_commands(eyes, tmp_path / "inputs")["match"]
    found = kill_command(match, tmp_path / "kills", kills=2, rng=np.random.default_rng(0))
    assert found["kills"] == 2 and found["files compared"] >= 4
    assert found["files that differ"] == found["files of unfinished writes"] == 0
    (tmp_path / "cut").mkdir()
    command = cut_commands(eyes, tmp_path / "cut")["match"]
    found = cut_and_resume(command, tmp_path / "cuts", cuts=100, resumed=1, rng=np.random.default_rng(0))
    assert found["power cuts"] >= 10 and found["cuts after which the command was given again"] == 1
    assert found["records or files taken for whole that were not"] == 0
    assert found["files that differ from those of an uninterrupted run"] == 0


def test_a_power_cut_of_a_file_system_loses_no_record_and_the_run_continues(eyes: Path, tmp_path: Path):
    image, disk = tmp_path / "image", tmp_path / "disk"
    disk.mkdir()
    try:
        make_file_system(image)
        with mounted(image, disk):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    pictures = [sample.path for sample in find_images([eyes])]
    found = cut_power_and_resume("segment", pictures, tmp_path, cuts=1, rng=np.random.default_rng(0))
    assert found["power cuts while the command ran"] == 1
    assert found["records left without their files"] == found["runs that did not continue"] == 0
    assert found["files that differ from those of an uninterrupted run"] == 0


def test_damaged_files_each_get_a_record(eyes: Path, tmp_path: Path):
    found = segment_junk(eyes, tmp_path, count=135, workers=2, seed=0)
    assert (found["records"], found["exit code"]) == (135, 3)
    assert found["outcome read"] > 30
    assert found["outcome ok"] > 5
    assert not {"outcome internal", "outcome process", "outcome write"} & set(found)
    assert found["peak of the largest process, MB"] < 1000


def test_memory_does_not_grow_with_the_number_of_images(eyes: Path, tmp_path: Path):
    few, many = measure_memory(eyes, tmp_path, sizes=(20, 80), workers=1)
    assert (few["records"], many["records"]) == (20, 80)
    assert many["peak, MB"] < 1.1 * few["peak, MB"]


def test_the_baseline_and_the_whole_run_are_measured_on_the_same_images(eyes: Path, tmp_path: Path):
    row, medians = measure_speed(eyes, tmp_path, repeats=1)
    assert row["n"] == 12 and medians == row
    assert len(row) > 10 and not [name for name, value in row.items() if name != "load before" and not value > 0]


def test_the_cost_of_many_records_and_embeddings_is_measured(eyes: Path, tmp_path: Path):
    resumed = resume_cost(eyes / "001" / "L", tmp_path, 50)
    assert resumed.summary["skipped"] > 0 and resumed.summary["done"] == 0
    lines = (tmp_path / "resumed-50/manifest.jsonl").read_bytes().splitlines()
    assert len(lines) == 50 + resumed.summary["total"] and resumed.peak_mb > 10
    evaluated, matched = comparison_costs(tmp_path, 40, most_scores=800, seed=1)
    assert evaluated.code == matched.code == 0 and evaluated.cpu_s > 0
    assert np.load(tmp_path / "scores-40/scores.npy").shape == (40, 20)
    assert match_cost(tmp_path / "matched", 12, seed=1).peak_mb > 10
    assert np.load(tmp_path / "matched/scores/scores.npy").shape == (12, 12)


def test_foreign_circles_are_measured_before_and_after_rectification():
    rates = foreign_circles(Path(__file__).parents[1] / "data" / "sample", subjects=2)
    methods = ("none", "stn-no-lids", "stn", "undone")
    assert list(rates) == [f"circles/{method}/{shift}" for method in methods for shift in ("±0", "±16")]
    for row in rates.values():
        assert (row["subjects"], row["mated"], row["failure_to_enrol"]) == (2, 4, 0)
    assert rates["circles/none/±16"]["d_prime"] < rates["circles/undone/±16"]["d_prime"]


def test_both_masks_are_measured_on_the_same_strips():
    rates = occlusion_masks(Path(__file__).parents[1] / "data" / "sample", subjects=2)
    assert list(rates) == ["iris", "usable"]
    assert rates["iris"]["mated"] == rates["usable"]["mated"] == 4
    assert rates["iris"]["d_prime"] != rates["usable"]["d_prime"]
    table = occlusion_table({"samples": rates})
    assert [row[2] for row in table.rows] == ["iris", "usable"]


def test_results_say_how_they_were_made(tmp_path: Path):
    table = Table("Errors", ["set", "EER", "n"], [["rendered", Figure(1.5, 1.0, 2.0, 40, "%"), 40], ["other", "", 3]])
    path = write_results("an-example", "python benchmarks/example.py EYES", [table], seed=3, folder=tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(content) == KEYS
    assert content["command"] == "python benchmarks/example.py EYES" and content["seed"] == 3
    assert content["versions"]["python"] and "core" in content["machine"]
    figure = {"value": 1.5, "low": 1.0, "high": 2.0, "n": 40, "unit": "%"}
    assert content["tables"][0]["rows"] == [["rendered", figure, 40], ["other", "", 3]]


def test_results_that_cannot_be_published_are_refused(tmp_path: Path):
    table = Table("Errors", ["EER"], [[0.5]])
    for name in ("../example", "An Example", ""):
        with pytest.raises(ValueError, match="lower-case"):
            write_results(name, "python x.py", [table], folder=tmp_path)
    with pytest.raises(ValueError, match="no table"):
        write_results("example", "python x.py", [], folder=tmp_path)
    with pytest.raises(ValueError, match="2 cells"):
        Table("Errors", ["set", "EER"], [[0.5]])
    with pytest.raises(ValueError, match="JSON"):
        write_results("example", "python x.py", [Table("Errors", ["EER"], [[float("nan")]])], folder=tmp_path)
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_results_in_the_repository_have_the_shape_that_docs_are_made_from(path: Path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(content) == KEYS
    assert content["benchmark"] == path.stem
    assert content["command"].startswith(("python benchmarks/", "python pipelines/", "irisstn synth"))
    assert content["commit"] is None or len(content["commit"]) == 40
    assert content["tables"]
    for table in content["tables"]:
        assert table["title"] and table["rows"]
        for row in table["rows"]:
            assert len(row) == len(table["columns"])
            for cell in row:
                assert isinstance(cell, str | int | float) or set(cell) <= {"value", "low", "high", "n", "unit"}
                if isinstance(cell, dict) and "low" in cell:
                    assert cell["low"] <= cell["value"] <= cell["high"]


def test_there_are_results():
    assert len(list(RESULTS.glob("*.json"))) >= 8


def rates(eer: float) -> dict[str, float]:
    ends = {f"{name}{end}": eer for name in ("eer", "fnmr@0.001") for end in ("", "_low", "_high")}
    return ends | {"mated": 40.0, "non_mated": 300.0, "subjects": 8.0}


def test_error_rates_are_published_in_percent_with_the_number_of_mated_comparisons():
    table = rectification_table(
        "rendered", {"unchanged/rectified/±0": rates(0.0123), "moved/rubber sheet/CNN": rates(0.2)}
    )
    figure = Figure(1.23, 1.23, 1.23, 40, "%")
    assert table.rows == [
        ["unchanged", "rectified", "±0", figure, figure],
        ["moved", "rubber sheet", "CNN", *2 * [Figure(20.0, 20.0, 20.0, 40, "%")]],
    ]


def test_trained_recognizers_are_published_as_the_mean_and_the_range_over_seeds():
    methods = ("code ±0", "code ±16", "oracle ±0", "oracle ±16")
    found = {"plain": {f"{c}/{method}": rates(0.1) for c in CONDITIONS for method in methods}}
    for seed, rate in enumerate((0.1, 0.3)):
        found[f"ring-{seed}"] = {
            f"{c}/{method}": rates(rate) for c in CONDITIONS for method in ("code ±0", "code ±16", "cnn")
        }
    codes, trained = results_tables("rendered", found)
    assert [row[0] for row in codes.rows] == list(methods)
    assert [row[0] for row in trained.rows] == ["ring: code ±0", "ring: code ±16", "ring: cnn"]
    figure = trained.rows[2][1]
    assert isinstance(figure, Figure)
    assert (figure.value, figure.low, figure.high, figure.n) == pytest.approx((20.0, 10.0, 30.0, 2))


def test_refused_eyes_count_as_nothing_found_on_held_out_cameras():
    seen = score("held-out-tiny", 0)
    assert seen.reason == "" and seen.usable_f1 > 80 and seen.iris_f1 > 85
    assert score("held-out-tiny", 0) == seen and score("held-out-tiny", 1) != seen
    _, n, usable, _, iris, refused, pupil, limbus = camera_row("tiny", [seen, Scored(1, reason="no eye")])
    assert n == 2 and all(isinstance(cell, Figure) for cell in (usable, iris, refused, pupil, limbus))
    assert isinstance(usable, Figure) and usable.value == pytest.approx(seen.usable_f1 / 2, abs=1e-3)
    assert isinstance(refused, Figure) and (refused.value, refused.low, refused.high) == (50, 0, 100)


def test_segmentation_is_published_without_what_was_not_measured():
    scores = [Score("a", 90.0, segment_ms=8.0), Score("b", 0.0, "no pupil")]
    table = segmentation_table([summary("rendered", scores)])
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["pictures"], row["n"], row["failed"]) == ("rendered", 2, 1)
    assert row["segment"] == Figure(8.0, n=2, unit="ms") and row["pupil centre, median"] == ""
    mean = row["F1 mean"]
    assert isinstance(mean, Figure) and mean.value == 45.0 and mean.low <= 45.0 <= mean.high


@pytest.mark.parametrize("change", CHANGES)
def test_changed_eyes_are_scored_against_the_iris_that_is_left(change: str):
    scores = score_changed(rendered_eyes(2), change)
    cells = changed_row("rendered", change, scores)
    assert cells[:3] == ["rendered", change, 2]
    assert all(one.true.any() for one in scores)
    assert all(one.f1 > 80 for one in scores if one.found is not None)
