"""Open-set search in a gallery, and its error rates."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from irisstn.cli import cli
from irisstn.errors import DatasetError
from irisstn.evaluation import identification_rates
from irisstn.recognition import HnswIndex, search
from irisstn.recognition.gallery_search import fmr_for_fpir
from irisstn.weights import CALIBRATION, SHIPPED


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def gallery():
    return unit(np.random.default_rng(0).normal(size=(500, 64)))


@pytest.fixture(scope="module")
def probes(gallery):
    """Three of eyes in the gallery, and one of none."""
    rng = np.random.default_rng(1)
    return np.concatenate(
        [unit(gallery[[7, 499, 0]] + 0.05 * rng.normal(size=(3, 64))), unit(rng.normal(size=(1, 64)))]
    )


def test_probes_find_their_eyes_or_nothing(gallery, probes, monkeypatch):
    monkeypatch.setattr("irisstn.recognition.gallery_search._GALLERY", 128)  # several blocks
    monkeypatch.setattr("irisstn.recognition.gallery_search._PROBES", 3)
    found = list(search(probes, gallery, threshold=0.7))
    assert [[one.number for one in candidates] for candidates in found] == [[7], [499], [0], []]
    assert found[0][0].similarity == pytest.approx(float(probes[0] @ gallery[7]), abs=1e-5)
    ranked = next(search(probes[:1], gallery, threshold=-1.0, most=5))
    best = np.sort(gallery @ probes[0])[::-1][:5]
    assert [one.similarity for one in ranked] == pytest.approx(best.tolist(), abs=1e-5)
    with pytest.raises(ValueError, match="embeddings"):
        list(search(probes[:, :5], gallery, threshold=0.5))
    with pytest.raises(ValueError, match="candidate"):
        list(search(probes, gallery, threshold=0.5, most=0))


def test_an_index_finds_the_same_and_knows_its_gallery(gallery, probes, tmp_path):
    pytest.importorskip("faiss")
    HnswIndex.of(gallery).save(tmp_path / "g.faiss")
    index = HnswIndex.load(tmp_path / "g.faiss", gallery)
    found = list(index.search(probes, threshold=0.7))
    assert [[one.number for one in candidates] for candidates in found] == [[7], [499], [0], []]
    with pytest.raises(DatasetError, match="another gallery"):
        HnswIndex.load(tmp_path / "g.faiss", gallery[::-1])
    (tmp_path / "junk.faiss").write_bytes(b"junk")
    with pytest.raises(DatasetError, match="holds no index"):
        HnswIndex.load(tmp_path / "junk.faiss", gallery)


def test_the_rate_of_a_comparison_follows_from_the_size_of_the_gallery():
    rate = fmr_for_fpir(0.01, 1000)
    assert 1 - (1 - rate) ** 1000 == pytest.approx(0.01)
    assert fmr_for_fpir(0.01, 1) == pytest.approx(0.01)
    for wrong in ((0.0, 10), (1.0, 10), (0.1, 0)):
        with pytest.raises(ValueError, match="rate"):
            fmr_for_fpir(*wrong)


def test_identification_rates_are_those_of_irex():
    # 1,000 searches without a mate, of which 10 may return something at FPIR 1e-2: the threshold is above the 11th.
    others = np.arange(1000) / 1000
    mates = np.concatenate([np.full(90, 0.995), np.full(8, 0.5), np.full(2, -np.inf)])
    rates = identification_rates(mates, others, fpir_levels=(1e-2, 1e-3), resamples=200)
    assert (others >= rates.threshold_at[1e-2]).sum() == 10 and (others >= rates.threshold_at[1e-3]).sum() == 1
    assert rates.fnir_at[1e-2].value == pytest.approx(0.10) and rates.fnir_at[1e-3].value == 1.0
    assert rates.fnir_at[1e-2].low < 0.10 < rates.fnir_at[1e-2].high
    assert (rates.mated, rates.non_mated, rates.smallest_fpir) == (100, 1000, 0.003)
    # A probe that failed to enrol finds nothing, however low the threshold.
    lost = identification_rates([-np.inf, 0.9], [-np.inf, -np.inf], resamples=0)
    assert lost.fnir_at[1e-2].value == 0.5
    with pytest.raises(ValueError, match="both kinds"):
        identification_rates([], others)


def embedded(folder: Path, vectors, names, network: str) -> Path:
    """An output folder as `irisstn embed` writes it; the last of `names` failed."""
    (folder / "embeddings").mkdir(parents=True)
    lines = [{"path": names[-1], "status": "failed", "stage": "segment", "reason": "closed"}]
    for name, vector in zip(names, vectors, strict=False):
        np.save(folder / "embeddings" / f"{name}.npy", vector)
        lines.append({"path": name, "status": "ok", "embedding": f"embeddings/{name}.npy"})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "run.json").write_text(json.dumps({"weights_sha256": network}))
    return folder


def test_search_of_folders_writes_candidates_and_says_what_it_promises(gallery, probes, tmp_path):
    network = json.loads((SHIPPED / CALIBRATION).read_text())["recognizer_sha256"]
    held = embedded(tmp_path / "g", gallery, [f"g{i}.png" for i in range(501)], network)
    wanted = embedded(tmp_path / "p", probes, [f"p{i}.png" for i in range(5)], network)
    call = ["search", str(wanted), "--gallery", str(held), "-o", str(tmp_path / "found.jsonl"), "--json"]
    done = CliRunner().invoke(cli, call)
    assert done.exit_code == 3, done.output  # one probe had failed to enrol
    summary = json.loads(done.output)
    assert summary["probes"] == 4 and summary["gallery"] == 500 and summary["failed"] == 1
    assert summary["false_positive_rate"] == pytest.approx(0.01)
    lines = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    found = {line["path"]: [one["path"] for one in line.get("candidates", [])] for line in lines}
    assert found["p0.png"][0] == "g7.png" and found["p1.png"][0] == "g499.png" and found["p2.png"][0] == "g0.png"
    assert lines[-1] == {"path": "p4.png", "status": "failed"}
    assert lines[0]["candidates"][0]["false_match_rate"] < 1e-6
    stricter = json.loads(CliRunner().invoke(cli, [*call, "--fpir", "0.0001"]).output)
    assert stricter["threshold"] > summary["threshold"]


def test_search_refuses_what_it_cannot_compare(gallery, probes, tmp_path):
    held = embedded(tmp_path / "g", gallery, [f"g{i}.png" for i in range(501)], "ab12")
    other = embedded(tmp_path / "p", probes, [f"p{i}.png" for i in range(5)], "cd34")
    same = embedded(tmp_path / "q", probes, [f"p{i}.png" for i in range(5)], "ab12")
    out = tmp_path / "found.jsonl"
    for wanted, options, reason in (
        (other, [], "different networks"),
        (same, [], "--threshold"),
        (tmp_path / "none", [], "run.json"),
        (same, ["-o", str(tmp_path)], "is a folder"),
    ):
        done = CliRunner().invoke(cli, ["search", str(wanted), "--gallery", str(held), "-o", str(out), *options])
        assert done.exit_code == 2 and reason in done.output and not out.exists(), done.output
    done = CliRunner().invoke(
        cli, ["search", str(same), "--gallery", str(held), "-o", str(out), "--threshold", "0.7", "--json"]
    )
    assert done.exit_code == 3 and json.loads(done.output)["false_positive_rate"] is None
    assert len(out.read_text().splitlines()) == 5


def test_search_writes_over_its_own_results_alone(gallery, probes, tmp_path):
    held = embedded(tmp_path / "g", gallery, [f"g{i}.png" for i in range(501)], "ab12")
    wanted = embedded(tmp_path / "p", probes, [f"p{i}.png" for i in range(5)], "ab12")
    notes, new = tmp_path / "notes.txt", tmp_path / "found.jsonl"
    notes.write_text("mine\n")
    call = ["search", str(wanted), "--gallery", str(held), "--threshold", "0.7", "-o"]
    for file, reason in (
        (notes, "another path, or remove it first"),
        (held / "manifest.jsonl", "another path, or remove it first"),
        (held / "embeddings" / "g3.png.npy", "another path, or remove it first"),
        (held / "found.jsonl", f"lies in the output folder {held}"),
        (held / "embeddings" / "new" / "found.jsonl", f"lies in the output folder {held}"),
    ):
        before = file.read_bytes() if file.exists() else None
        done = CliRunner().invoke(cli, [*call, str(file)])
        assert done.exit_code == 2 and reason in done.output and len(done.output.splitlines()) == 1, done.output
        assert (file.read_bytes() if file.exists() else None) == before
    for _ in range(2):  # the second time over its own result
        assert CliRunner().invoke(cli, [*call, str(new)]).exit_code == 3
        assert len(new.read_text().splitlines()) == 5
