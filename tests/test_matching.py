# mypy: disable-error-code="arg-type, misc"
"""From pictures to embeddings, scores and the page that compares runs: as functions and as commands."""

import base64
import csv
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import irisstn
from irisstn import Rectifier, segment
from irisstn.batch import run_batch
from irisstn.batch.inputs import find_inputs
from irisstn.batch.jobs.embed import EmbedConfig, EmbedJob, gather_embeddings
from irisstn.batch.jobs.rectify import RectifyConfig, RectifyJob
from irisstn.cli import cli
from irisstn.datasets import Label, find_images
from irisstn.errors import DatasetError, WeightsError
from irisstn.evaluation import Comparisons, Scores, read_scores, read_templates, score_blocks, scores_of, templates
from irisstn.images import read_gray, write_png
from irisstn.outputs.manifest import read_manifest
from irisstn.outputs.reader import read_embedding, read_strip
from irisstn.recognition import StripNet, StripNetConfig, distances
from irisstn.report.changed_pictures import traits
from irisstn.report.comparison import changes, compared, pair_changes
from irisstn.report.evaluated_runs import EvaluatedRun, read_runs
from irisstn.report.evaluation import write_evaluation
from irisstn.report.false_matches import false_matches


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained recognition network: it shows which embedding is written where."""
    torch.manual_seed(0)
    network = StripNet(StripNetConfig(widths=(8, 8, 8, 8), channels=4, sectors=8))
    network.train()(torch.rand(8, 1, 32, 256), torch.ones(8, 1, 32, 256))
    folder = tmp_path_factory.mktemp("model")
    network.save(folder / "recognizer.safetensors")
    return folder / "recognizer.safetensors"


@pytest.fixture(scope="module")
def rectified(eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Strips of rendered eyes; one picture fails."""
    pictures = tmp_path_factory.mktemp("pictures") / "eyes"
    for sample in find_images([eyes]):
        (pictures / sample.name).parent.mkdir(parents=True, exist_ok=True)
        (pictures / sample.name).write_bytes(sample.path.read_bytes())
    first = find_images([pictures])[0]
    first.path.write_bytes(b"no picture")
    out = tmp_path_factory.mktemp("out") / "rectified"
    summary = run_batch(RectifyJob.of(RectifyConfig()), find_images([pictures]), out)
    assert summary.failed >= 1 and summary.done >= 8
    return out


@pytest.fixture(scope="module")
def embedded(rectified: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "embedded"
    run_batch(EmbedJob.of(EmbedConfig(), model), find_inputs([rectified], strips=True), out)
    return out


def command(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def good(out: Path) -> list[dict[str, object]]:
    return [record for record in read_manifest(out) if record["status"] == "ok"]


def test_strips_are_embedded_as_they_are_and_failures_stay_failures(rectified: Path, embedded: Path, model: Path):
    network = StripNet.load(model)
    records = list(read_manifest(embedded))
    assert [(r["path"], r["status"]) for r in records] == [(r["path"], r["status"]) for r in read_manifest(rectified)]
    for record, source in zip(good(embedded), good(rectified), strict=True):
        assert record["input"] == "strip"
        np.testing.assert_allclose(
            read_embedding(embedded, record), network.embed(read_strip(rectified, source)), atol=1e-6
        )
    failed = next(record for record in records if record["status"] == "failed")
    assert "has no strip of it (read:" in str(failed["reason"])


def test_photographs_are_rectified_first_with_the_roll_prior_of_embeddings_unless_plain(
    eyes: Path, model: Path, tmp_path: Path
):
    sample = find_images([eyes])[0]
    image = read_gray(sample.path)
    network, rectifier = StripNet.load(model), Rectifier.load().with_roll("auto", 2.0)
    for plain in (False, True):
        out = tmp_path / str(plain)
        run_batch(EmbedJob.of(EmbedConfig(rectify=not plain), model), [sample], out)
        (record,) = good(out)
        strip = read_strip(out, record)
        if not plain:
            assert np.array_equal(strip.image, rectifier.rectify_eye(image, segment(image)).strip.image)
        np.testing.assert_allclose(read_embedding(out, record), network.embed(strip), atol=1e-6)
    a, b = (read_strip(tmp_path / str(plain), good(tmp_path / str(plain))[0]) for plain in (False, True))
    assert not np.array_equal(a.image, b.image)


def test_all_embeddings_are_in_one_file(embedded: Path):
    with np.load(gather_embeddings(embedded), allow_pickle=False) as held:
        names, vectors = held["names"], held["embeddings"]
    assert names.tolist() == [record["path"] for record in good(embedded)]
    assert vectors.dtype == np.float32 and vectors.shape == (len(names), 2 * 8 * 4)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_missing_and_damaged_weights_are_refused(tmp_path: Path):
    with pytest.raises(WeightsError, match="cannot be read"):
        EmbedJob.of(EmbedConfig(), tmp_path)
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with (
        pytest.raises(WeightsError, match="damaged"),
        EmbedJob.of(EmbedConfig(), tmp_path / "bad.safetensors").start(),
    ):
        pass


def test_a_run_with_a_rectifier_alone_is_used_with_the_shipped_recognizer(tmp_path: Path):
    Rectifier().save(tmp_path / "rectifier.safetensors")
    job, shipped = EmbedJob.of(EmbedConfig(), tmp_path), EmbedJob.of(EmbedConfig(runtime="torch"))
    assert job.weights_sha256 == shipped.weights_sha256
    assert job.rectifier == tmp_path / "rectifier.safetensors" and job.rectifier_sha256 != shipped.rectifier_sha256


def test_the_shipped_recognizer_recognises_the_sample_eyes(tmp_path: Path):
    sample = Path(__file__).parents[1] / "data" / "sample"
    assert run_batch(EmbedJob.of(EmbedConfig()), find_images([sample]), tmp_path).done == 12
    comparisons = scores_of(read_templates(tmp_path)).comparisons()
    assert isinstance(comparisons, Comparisons)
    mated, non_mated = comparisons.mated, comparisons.non_mated
    assert len(mated) == 6 and len(non_mated) == 60
    assert np.median(mated) < np.quantile(non_mated, 0.01)
    assert mated.mean() < non_mated.mean() - 3 * non_mated.std()


def test_shipped_weights_stay_small():
    shipped = list((Path(irisstn.__file__).parent / "weights").glob("*.safetensors"))
    assert {path.name for path in shipped} == {"rectifier.safetensors", "recognizer.safetensors"}
    assert sum(path.stat().st_size for path in shipped) < 10e6
    cards = "".join(path.read_text() for path in (shipped[0].parent).glob("CARD*.md"))
    for path in shipped:  # the cards name these files by their hash
        assert hashlib.sha256(path.read_bytes()).hexdigest() in cards


def test_blocks_together_are_the_whole_matrix(rectified: Path, monkeypatch: pytest.MonkeyPatch):
    held = read_templates(rectified)
    assert held.kind == "code" and len(held.failed) >= 1
    monkeypatch.setattr(templates, "BLOCK", 3)
    monkeypatch.setattr(templates, "SQUARE", 6)
    n = len(held.names)
    for others in (held, read_templates(rectified)):
        matrix = np.full((n, n), np.nan, np.float32)
        for i, j, block in score_blocks(held, others, max_shift=2):
            assert max(block.shape) <= 3
            matrix[i : i + block.shape[0], j : j + block.shape[1]] = block
        np.testing.assert_allclose(matrix, distances(held.codes, max_shift=2), atol=1e-5)


def test_match_writes_scores_names_and_pairs(embedded: Path, tmp_path: Path):
    done = command("match", embedded, "-o", tmp_path / "scores", "--pairs")
    assert done.exit_code == 0, done.output
    held = read_templates(embedded)
    assert held.embeddings is not None
    scores = read_scores(tmp_path / "scores")
    assert scores.names == held.names
    np.testing.assert_allclose(scores.distances, 1 - held.embeddings @ held.embeddings.T, atol=1e-5)
    assert len(scores.failed) == len(held.failed) >= 1
    with (tmp_path / "scores" / "pairs.csv").open(newline="") as file:
        pairs = list(csv.DictReader(file))
    n = len(held.names)
    assert len(pairs) == n * (n - 1) // 2
    comparisons = scores.comparisons()
    assert sum(row["mated"] == "1" for row in pairs) == np.isfinite(comparisons.mated).sum() > 0
    i, j = 1, n - 1
    (row,) = [row for row in pairs if (row["a"], row["b"]) == (held.names[i], held.names[j])]
    assert float(row["distance"]) == pytest.approx(float(scores.distances[i, j]), abs=1e-5)


def test_match_compares_two_folders(rectified: Path, tmp_path: Path):
    done = command("match", rectified, rectified, "-o", tmp_path, "--shifts", "1", "--pairs", "--quiet")
    assert done.exit_code == 0 and done.output == ""
    matrix = np.load(tmp_path / "scores.npy")
    n = len(good(rectified))
    assert matrix.shape == (n, n)
    assert np.argmin(matrix, axis=1).tolist() == list(range(n))
    assert (tmp_path / "columns.csv").read_text() == (tmp_path / "rows.csv").read_text()
    assert len((tmp_path / "pairs.csv").read_text().splitlines()) == n * n + 1
    with pytest.raises(DatasetError, match="two folders"):
        read_scores(tmp_path)


def test_misuse_of_match_is_reported_in_one_line(rectified: Path, embedded: Path, tmp_path: Path):
    cases = {
        "--shifts is for codes, not for embeddings": ("match", embedded, "--shifts", "3"),
        "give --by code": ("match", embedded, rectified),
        "nothing to compare": ("match", tmp_path),
        "missing does not exist": ("match", tmp_path / "missing"),
        "gone does not exist": ("evaluate", rectified, tmp_path / "gone", "-o", tmp_path / "e"),
        "manifest.jsonl is no folder": ("evaluate", rectified / "manifest.jsonl"),
        "such as 0,16": ("evaluate", rectified, "--shifts", "many"),
    }
    for words, arguments in cases.items():
        done = command(*arguments)
        assert done.exit_code == 2 and words in done.output, done.output
        assert len(done.output.strip().splitlines()) == 1


def test_evaluate_puts_runs_side_by_side(rectified: Path, embedded: Path, tmp_path: Path):
    scores = tmp_path / "scores"
    assert command("match", rectified, "-o", scores, "--quiet").exit_code == 0
    done = command(
        "evaluate",
        rectified,
        embedded,
        tmp_path / "scores",
        "--shifts",
        "0,4",
        "--resamples",
        "20",
        "-o",
        tmp_path / "e",
    )
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    assert list(figures) == ["rectified ±0", "rectified ±4", "embedded", "scores"]
    plain, searched = figures["rectified ±0"], figures["rectified ±4"]
    assert plain["failure_to_enrol"] > 0
    assert {k: v for k, v in figures["scores"].items() if k != "changes"} == {
        k: v for k, v in plain.items() if k != "changes"
    }
    assert searched["fnmr@0.001"] <= plain["fnmr@0.001"]
    assert searched["changes"]["images"] == sum(searched["changes"][k] for k in ("gained", "lost")) > 0
    for name in ("det.png", "histograms.png"):
        assert read_gray(tmp_path / "e" / name).std() > 5
    page = (tmp_path / "e" / "evaluation.html").read_text()
    assert "Largest gains" in page and page.count("data:image/jpeg") >= 4
    assert all(name in page for name in figures)
    assert page.count("<h2>False matches of ") == 4
    # Nothing is loaded from elsewhere.
    assert "http://" not in page and "https://" not in page


def test_the_same_run_changes_nothing(rectified: Path, tmp_path: Path):
    assert command("match", rectified, "-o", tmp_path, "--quiet").exit_code == 0
    scores = read_scores(tmp_path)
    same = changes(scores, scores)
    assert len(same) > 4
    assert all(change.gain == 0 for change in same)


def test_pairs_are_compared_one_by_one_between_two_runs():
    """Three pictures of one eye and one of another: a pair gains, another one loses, the non-mated ones stay."""
    labels = (Label("1", "L"), Label("1", "L"), Label("1", "L"), Label("2", "L"))
    names = ("a", "b", "c", "other")

    def scores(ab: float, bc: float) -> Scores:
        distances = np.full((4, 4), 0.5, np.float32)
        distances[3, :3] = distances[:3, 3] = (0.4, 0.5, 0.6)
        for i, j, value in ((0, 1, ab), (1, 2, bc), (0, 2, 0.2)):
            distances[i, j] = distances[j, i] = value
        return Scores(names, labels, distances, ())

    found = pair_changes(scores(0.4, 0.1), scores(0.1, 0.3))
    assert [change.names for change in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    gained, same, lost = found
    assert gained.gain > 0 == same.gain > lost.gain
    spread = float(np.std([0.4, 0.5, 0.6]))
    assert gained.gain == pytest.approx(0.3 / spread, rel=1e-4)
    assert lost.gain == pytest.approx(-0.2 / spread, rel=1e-4)
    assert gained.before == pytest.approx(0.1 / spread, rel=1e-4)


def test_false_matches_are_the_closest_pairs_of_different_eyes():
    labels = tuple(Label(str(number // 2), "L") for number in range(40))
    names = tuple(f"{number:02d}" for number in range(40))
    rng = np.random.default_rng(0)
    distances = rng.uniform(0.4, 0.6, (40, 40)).astype(np.float32)
    distances = np.minimum(distances, distances.T)
    distances[np.arange(40), np.arange(40) ^ 1] = 0.1  # mated
    for i, j, value in ((3, 30, 0.05), (7, 11, 0.2)):
        distances[i, j] = distances[j, i] = value
    found = false_matches(Scores(names, labels, distances, ()), 3)
    assert [pair.names for pair in found[:2]] == [("03", "30"), ("07", "11")]
    assert [pair.fmr for pair in found] == [pytest.approx(rank / 760) for rank in (1, 2, 3)]
    assert [pair.rejected for pair in found] == [1.0, 0.0, 0.0]
    assert found[2].distance >= 0.4


def test_the_page_shows_both_strips_of_a_pair_before_and_after(
    rectified: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """In the second run a strip of the best pair is turned by a quarter."""
    for plot in ("det_plot", "histogram_plot"):
        monkeypatch.setattr(f"irisstn.report.evaluation.{plot}", lambda compared: b"plot")
    (before,) = read_runs([rectified], None, [0])
    best = max(pair_changes(before.scores, before.scores), key=lambda change: change.before)
    spoilt = tmp_path / "spoilt"
    shutil.copytree(rectified, spoilt)
    (record,) = [record for record in good(spoilt) if record["path"] == best.names[0]]
    strip = read_gray(spoilt / str(record["strip"]))
    write_png(spoilt / str(record["strip"]), np.roll(strip, strip.shape[1] // 4, axis=1))
    write_evaluation(read_runs([rectified, spoilt], None, [0, 1]), tmp_path / "e", resamples=0)
    figures = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    for shift in (0, 1):
        changed = figures[f"spoilt ±{shift}"]["changes"]
        assert changed["compared_with"] == f"rectified ±{shift}", "runs of one shift are compared"
        assert changed["pairs_lost"] > 0
    page = (tmp_path / "e" / "evaluation.html").read_text()
    assert not re.search(r"<td>[0-9.]+ \[", page), "no interval was computed"
    section = page.partition("spoilt ±0 compared with rectified ±0</h2>")[2].partition("<h2>")[0]
    card = section.partition("Largest losses, pairs")[2].partition("</article>")[0]
    assert " and ".join(best.names) in card
    shown = re.findall(r'alt="(.*?): (.*?)"', card)
    assert shown == [(run, name) for run in ("rectified ±0", "spoilt ±0") for name in best.names]
    assert page.count(f"data:image/png;base64,{base64.b64encode(b'plot').decode()}") == 2, "the page can be sent alone"
    assert 'src="data:' in page and not re.search(r'src="(?!data:)', page)
    with (tmp_path / "e" / "changes.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(row["run"], row["compared_with"]) for row in rows} == {
        ("spoilt ±0", "rectified ±0"),
        ("spoilt ±1", "rectified ±1"),
        ("rectified ±1", "rectified ±0"),
    }
    mine = [row for row in rows if row["run"] == "spoilt ±0"]
    assert mine[0]["path"] in best.names and float(mine[0]["distance_after"]) > float(mine[0]["distance_before"])
    assert [float(row["gain"]) for row in mine] == sorted(float(row["gain"]) for row in mine)


def test_traits_tell_the_pictures_that_lost_most_from_the_others(tmp_path: Path):
    """A hundred eyes of two pictures, of which one in ten got farther apart, and where their roll differs."""
    names = tuple(f"{number:03d}" for number in range(200))
    labels = tuple(Label(str(number // 2), "L") for number in range(200))
    lost = set(range(0, 20))
    distances = np.full((200, 200), 0.5, np.float32) + np.random.default_rng(0).normal(0, 0.01, (200, 200))
    distances = np.minimum(distances, distances.T).astype(np.float32)
    before, after = distances.copy(), distances.copy()
    pairs = np.arange(200), np.arange(200) ^ 1
    before[pairs] = 0.2
    after[pairs] = [0.4 if number in lost else 0.1 for number in range(200)]
    records = [
        {"path": name, "status": "ok", "quality": {"sharpness": 50.0 + number % 7}}
        | {"rectification": {"roll_rad": (0.1 if number in lost else 0.01) * (-1) ** number}}
        for number, name in enumerate(names)
    ]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    runs = [EvaluatedRun(name, tmp_path, Scores(names, labels, one, ())) for name, one in (("a", before), ("b", after))]
    found = traits(compared(*runs))
    assert [trait.name for trait in found] == ["roll deg", "roll deg, difference from the eye's other pictures"]
    assert found[0].larger == 1 and found[0].lost == pytest.approx(np.degrees(0.1))
    assert found[1].lost == pytest.approx(np.degrees(0.2)) and found[1].others == pytest.approx(np.degrees(0.02))
    assert traits(compared(runs[0], runs[0])) == [], "nothing lost"


def test_a_missing_extra_is_reported_with_the_command_that_installs_it(
    rectified: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = command("evaluate", rectified, "-o", tmp_path / "e")
    assert done.exit_code == 2
    assert 'pip install "irisstn[report]"' in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not (tmp_path / "e").exists()


def test_unknown_identities_are_reported_and_a_csv_gives_them(embedded: Path, rectified: Path, tmp_path: Path):
    names = [str(record["path"]) for record in read_manifest(rectified)]
    labels = tmp_path / "identities.csv"
    labels.write_text("path,subject\n" + "".join(f"{name},{i // 3}\n" for i, name in enumerate(names[:-1])))
    done = command("evaluate", rectified, "--labels", labels, "-o", tmp_path / "e")
    assert done.exit_code == 2 and f"identity of {names[-1]} is not known" in done.output
    labels.write_text("path,subject\n" + "".join(f"{name},{i // 3}\n" for i, name in enumerate(names)))
    done = command("evaluate", rectified, "--labels", labels, "-o", tmp_path / "e", "--resamples", "0", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["rectified ±0"]["subjects"] == -(-len(names) // 3)
