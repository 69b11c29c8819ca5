"""`irisstn measure` and `quality`, the overall score, and the error-versus-discard curve."""

import csv
import io
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from irisstn.batch import find_inputs, run_batch
from irisstn.batch.jobs.measure import MeasureJob
from irisstn.cli import cli
from irisstn.datasets import Label
from irisstn.evaluation import Scores, discard_curve, read_quality_scores
from irisstn.evaluation.discard import FRACTIONS
from irisstn.outputs.measurements import BIQT, COLUMNS
from irisstn.quality import RECOMMENDED, Quality
from irisstn.quality_score import quality_score
from irisstn.report.evaluated_runs import read_runs
from irisstn.report.evaluation import write_evaluation
from irisstn.results import Confidence
from irisstn.segmentation import SegmentationConfig

GOOD = Quality(90.0, 20.0, 60.0, 99.0, 7.0, 100.0, 40.0, 98.0, 90.0, 80.0)
SURE = Confidence(0.96, 0.1, 0.2, texture=6.0)


def command(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, [*map(str, arguments)])
    return done.exit_code, done.stdout, done.output  # with what is written to standard error, in every version of click


def score(quality: Quality = GOOD, confidence: Confidence | None = SURE) -> float:
    found = quality_score(quality, confidence)
    assert found is not None and 0 <= found <= 100
    return found


def test_the_score_is_what_its_formula_says_and_falls_with_each_of_its_figures():
    assert score() == pytest.approx(90 * 0.96**4 * 6 / 8)
    for worse in (
        {"usable_iris_area": 50.0},
        {"iris_radius": 20.0},
        {"sharpness": 1.0},
        {"iris_pupil_contrast": 10.0},
    ):
        assert score(replace(GOOD, **worse)) < 0.6 * score()
    assert score(GOOD, replace(SURE, texture=1.0)) < 0.5 * score()
    assert score(GOOD, replace(SURE, trust=0.8)) < 0.5 * score()
    assert score(replace(GOOD, margin_adequacy=0.0, sharpness=30.0)) == score()
    assert quality_score(GOOD, None) is None and quality_score(GOOD, replace(SURE, texture=None)) is None


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[dict[str, str]]]:
    """Two sample eyes and a file that is no picture; their table."""
    sample = Path(__file__).parents[1] / "data" / "sample"
    eyes = tmp_path_factory.mktemp("measure") / "eyes"
    eyes.mkdir()
    for name in ("001/L/001L01.png", "002/R/002R01.png"):
        (eyes / Path(name).name).write_bytes((sample / name).read_bytes())
    (eyes / "no, picture.png").write_bytes(b"no picture")
    table = eyes.parent / "eyes.csv"
    code, output, _ = command("measure", eyes, "--csv", table, "--workers", 1)
    assert code == 3 and output == f"3 rows in {table}, 1 of them of pictures that failed\n"
    with table.open(newline="") as file:
        return eyes, table, list(csv.DictReader(file))


def test_each_picture_has_a_row_with_its_figures_or_the_reason(measured: tuple[Path, Path, list[dict[str, str]]]):
    eyes, table, rows = measured
    assert [row["path"] for row in rows] == ["001L01.png", "002R01.png", "no, picture.png"]
    assert table.read_text().splitlines()[0].split(",") == list(COLUMNS)
    for row in rows[:2]:
        assert row["status"] == "ok" and row["input"] == "eye" and row["reason"] == ""
        assert float(row["pupil_iris_ratio"]) == pytest.approx(
            float(row["pupil_radius"]) / float(row["iris_radius"]), rel=1e-4
        )
        assert float(row["quality.iris_radius"]) == pytest.approx(float(row["iris_radius"]), rel=0.01)
        assert abs(float(row["roll_deg"])) < 45 and 0 < float(row["roll_sd_deg"]) < 10
        assert 0 < float(row["quality.score"]) < 100
        assert all(row[theirs] == row.get(ours, row[theirs]) != "" for theirs, ours in BIQT.items())
        assert float(row["iris_diameter"]) == pytest.approx(2 * float(row["iris_radius"]), rel=1e-4)
    failed = rows[2]
    assert failed["status"] == "failed" and failed["stage"] == "read" and failed["reason"]
    assert not any(failed[name] for name in COLUMNS if name not in ("path", "status", "stage", "reason"))
    assert sorted(path.name for path in eyes.parent.iterdir()) == ["eyes", "eyes.csv"]


def test_an_output_folder_is_read_as_it_is(measured: tuple[Path, Path, list[dict[str, str]]], tmp_path: Path):
    eyes, _, rows = measured
    assert command("segment", eyes, "-o", tmp_path / "out", "--workers", 1, "--quiet")[0] == 3
    code, output, _ = command("measure", tmp_path / "out")
    again = list(csv.DictReader(io.StringIO(output)))
    assert code == 3 and [row["path"] for row in again] == [row["path"] for row in rows]
    for row, other in zip(again, rows, strict=True):
        unknown = {"roll_deg", "roll_sd_deg"}
        assert {k: v for k, v in row.items() if k not in unknown} == {
            k: v for k, v in other.items() if k not in unknown
        }
    assert command("measure", tmp_path / "out", "--input", "eye")[0] == 2
    assert read_quality_scores(tmp_path / "out") == {
        row["path"]: pytest.approx(float(row["quality.score"]), rel=1e-4) for row in rows[:2]
    }
    code, output, _ = command("quality", tmp_path / "out")
    assert code == 3 and re.match(r"001L01\.png  \d+  (pass|FAIL)", output) and "failed: read:" in output
    code, output, _ = command("quality", tmp_path / "out", "--json")
    first = json.loads(output.splitlines()[0])
    assert list(first["figures"]) == list(RECOMMENDED) and first["score"] > 0
    (tmp_path / "file").touch()
    code, output, error = command("measure", tmp_path / "out", "--csv", tmp_path / "file" / "a.csv")
    assert code == 1 and "cannot be written" in error and output == ""


def test_an_interrupted_run_goes_on_and_takes_over_nothing_else(tmp_path: Path, eyes: Path):
    table, kept = tmp_path / "eyes.csv", tmp_path / "eyes.csv.unfinished"
    samples = find_inputs([eyes], strips=False)[:2]
    assert len(list(find_inputs([eyes], strips=False))) > 2
    job = MeasureJob.of(SegmentationConfig())

    def interrupt(trust: float) -> None:
        """Measure two pictures, and make their records recognisable by their trust."""
        run_batch(job, samples, kept, durable=False)
        lines = (kept / "manifest.jsonl").read_text()
        (kept / "manifest.jsonl").write_text(re.sub(r'"trust":[\d.]+', f'"trust":{trust}', lines))

    interrupt(0.125)
    only = eyes / samples[1].name
    assert command("measure", only.parent, "--csv", table, "--workers", 1)[0] == 0
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert only.name in [row["path"] for row in rows] and samples[0].name not in [row["path"] for row in rows]
    assert not kept.exists()
    interrupt(0.125)
    assert command("measure", eyes, "--csv", table, "--workers", 1)[0] == 0
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["path"] for row in rows if row["trust"] == "0.125"] == [sample.name for sample in samples]
    assert len(rows) > 2 and not kept.exists()
    interrupt(0.125)
    (kept / "mine.txt").touch()
    assert command("measure", eyes, "--csv", table, "--workers", 1, "--eye", "left")[0] == 0
    assert "0.125" not in {row["trust"] for row in csv.DictReader(io.StringIO(table.read_text()))}
    assert [path.name for path in kept.iterdir()] == ["mine.txt"]


def test_a_table_is_not_written_over_a_folder(tmp_path: Path, eyes: Path):
    code, _, error = command("measure", eyes, "--csv", tmp_path)
    assert code == 2 and f"--csv {tmp_path} is a folder" in error and not list(tmp_path.iterdir())


def test_a_table_is_not_written_over_a_picture_or_a_source(tmp_path: Path, eyes: Path):
    picture, listed = tmp_path / "a.png", tmp_path / "list.csv"
    shutil.copy(next(eyes.rglob("*.png")), picture)
    listed.write_text("path\na.png\n")
    done = CliRunner().invoke(cli, ["measure", str(tmp_path), "--csv", os.devnull])  # before the pictures are measured
    assert done.exit_code == 2 and "give another path" in done.output
    for source, file in ((tmp_path, picture), (listed, listed)):
        before = file.read_bytes()
        done = CliRunner().invoke(cli, ["measure", str(source), "--csv", str(file)])
        assert done.exit_code == 2 and "give another path" in done.output
        assert file.read_bytes() == before


def test_a_table_is_written_over_a_table_of_the_same_command_alone(
    measured: tuple[Path, Path, list[dict[str, str]]], tmp_path: Path
):
    eyes, table, _ = measured
    mine, own = tmp_path / "mine.csv", tmp_path / "own.csv"
    mine.write_text("path,note\na.png,keep\n")
    own.write_text(table.read_text().splitlines()[0] + "\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("{}")
    for file, reason in ((mine, "or remove it first"), (tmp_path / "out" / "a.csv", "lies in the output folder")):
        code, _, error = command("measure", eyes, "--csv", file)
        assert code == 2 and reason in error and len(error.splitlines()) == 1
    assert mine.read_text() == "path,note\na.png,keep\n" and not (tmp_path / "out" / "a.csv").exists()
    assert command("measure", eyes / "001L01.png", "--csv", own, "--workers", 1)[0] == 0
    assert len(own.read_text().splitlines()) == 2


def test_a_path_is_no_formula_in_a_spreadsheet_and_still_a_path(tmp_path: Path):
    for name in ("=cmd|calc.png", "+1.png", "-1.png", "@a.png", "a=1.png"):
        (tmp_path / name).write_bytes(b"no picture")
    table = tmp_path / "table.csv"
    assert command("measure", tmp_path, "--csv", table, "--workers", 1)[0] == 3
    paths = [row["path"] for row in csv.DictReader(io.StringIO(table.read_text()))]
    assert paths == ["./+1.png", "./-1.png", "./=cmd|calc.png", "./@a.png", "a=1.png"]
    code, output, _ = command("measure", table, "--workers", 1)  # as a list of pictures
    again = list(csv.DictReader(io.StringIO(output)))
    assert code == 3 and [row["path"] for row in again] == paths
    assert all("not a picture" in row["reason"] for row in again)


def test_quality_of_one_picture_is_a_table(measured: tuple[Path, Path, list[dict[str, str]]]):
    eyes, _, rows = measured
    code, output, _ = command("quality", eyes / "001L01.png")
    lines = output.splitlines()
    assert code == 0 and lines[0] == f"001L01.png: score {float(rows[0]['quality.score']):.0f} of 100"
    assert [line.split()[0] for line in lines[1:]] == list(RECOMMENDED)
    outside = rows[0]["outside_recommended"].split()
    assert [line.split()[0] for line in lines if line.endswith("FAIL")] == outside


def scores_whose_errors_follow(quality: np.ndarray) -> Scores:
    """Four captures of each of 40 eyes; two of them are the further apart the lower the quality of the poorer one."""
    rng = np.random.default_rng(0)
    n = len(quality)
    labels = [Label(str(number // 4), "L") for number in range(n)]
    distances = rng.normal(0.5, 0.02, (n, n))
    for i in range(n):
        for j in range(n):
            if labels[i] == labels[j]:
                distances[i, j] = 0.5 - 0.004 * min(quality[i], quality[j])
    both = ((distances + distances.T) / 2).astype(np.float32)
    return Scores(tuple(map(str, range(n))), tuple(labels), both, ())


def test_the_curve_falls_where_quality_predicts_errors_and_not_elsewhere():
    quality = np.random.default_rng(1).uniform(0, 100, 160)
    scores = scores_whose_errors_follow(quality)
    found = discard_curve(scores, dict(zip(scores.names, quality.tolist(), strict=True)))
    assert found is not None and found.comparisons == 240
    assert found.fnmr[0] > 0.1 and found.fnmr[-1] == 0 and list(found.fnmr) == sorted(found.fnmr, reverse=True)
    assert (
        found.fnmr_of_initial[0] == pytest.approx(0.05, abs=0.01) and found.fnmr_of_initial[FRACTIONS.index(0.1)] == 0
    )
    shuffled = np.random.default_rng(2).permutation(quality)
    other = discard_curve(scores, dict(zip(scores.names, shuffled.tolist(), strict=True)))
    assert other is not None and other.fnmr[-1] > 0.05
    assert discard_curve(scores, {"0": 3.0}) is None


def test_the_page_of_evaluate_shows_the_curve_where_qualities_are_known(tmp_path: Path, eyes: Path):
    out = tmp_path / "out"
    assert command("segment", eyes, "-o", out, "--workers", 1, "--quiet", "--no-durable")[0] == 0
    (run,) = read_runs([out], None, [2])
    write_evaluation([run], tmp_path / "e", resamples=0)
    figures = json.loads((tmp_path / "e" / "evaluation.json").read_text())["out ±2"]["discard"]
    assert figures["comparisons"] == 12 and len(figures["fnmr@fmr=0.001"]) == len(FRACTIONS)
    assert "Error versus discard" in (tmp_path / "e" / "evaluation.html").read_text()
    assert (tmp_path / "e" / "discard.png").read_bytes()[1:4] == b"PNG"
    manifest = (out / "manifest.jsonl").read_text()
    (out / "manifest.jsonl").write_text(re.sub(r'"score":[\d.]+', '"other":0', manifest))
    write_evaluation(read_runs([out], None, [2]), tmp_path / "e", resamples=0)
    assert "Error versus discard" not in (tmp_path / "e" / "evaluation.html").read_text()
    assert not (tmp_path / "e" / "discard.png").exists()
