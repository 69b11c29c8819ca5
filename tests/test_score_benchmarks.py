# mypy: disable-error-code="arg-type, operator, type-var, union-attr"
"""The benchmarks of calibrated scores, of fusion and of identification, on made-up embeddings."""

import json

import identification
import numpy as np
import pytest
import score_calibration
from click.testing import CliRunner
from fusion import eyes_of, rates

from irisstn.evaluation import read_templates
from irisstn.images import write_png
from irisstn.recognition import Calibration, fuse

CALIBRATION = Calibration(quantile=0.35, tail=1e-3, excess=0.03, offset=-6, slope=30, mated=500, non_mated=50_000)


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Embeddings of 30 eyes of 15 people, five captures each; one capture failed, two people have one left eye."""
    folder = tmp_path_factory.mktemp("embedded")
    rng = np.random.default_rng(0)
    eyes = rng.normal(size=(15, 2, 64))
    eyes[14, 0] = eyes[13, 0]
    lines = []
    for subject in range(15):
        for side in range(2):
            for capture in range(5):
                path = f"{subject + 1:03}/{'LR'[side]}/{capture}.png"
                if (subject, side, capture) == (0, 0, 4):
                    lines.append({"path": path, "status": "failed", "stage": "segment", "reason": "closed"})
                    continue
                vector = unit(eyes[subject, side] + 0.6 * rng.normal(size=64))
                names = {name: f"{name}/{path}" for name in ("embedding", "strip", "strip_mask")}
                (folder / names["embedding"]).parent.mkdir(parents=True, exist_ok=True)
                with (folder / names["embedding"]).open("wb") as file:
                    np.save(file, vector)
                for name in ("strip", "strip_mask"):
                    write_png(folder / names[name], np.full((8, 64), 255, np.uint8))
                lines.append({"path": path, "status": "ok", **names})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_observed_rates_are_compared_with_claimed_ones(out):
    found = score_calibration.tables({"eyes": out}, {"embedding": CALIBRATION}, ("014", "015"))
    rates_table, errors = found
    assert [row[0] for row in rates_table.rows] == ["eyes", "eyes, 014 and 015 not compared"]
    with_pair, without_pair = (row[3] for row in rates_table.rows)
    # 25 of 10,731 comparisons are of one eye under two names.
    assert with_pair.value > 10 * without_pair.value and with_pair.low <= with_pair.value <= with_pair.high
    assert without_pair.n < with_pair.n == 149 * 148 // 2 - 30 * 10 + 4
    assert errors.rows[0][2].value > 1  # the four comparisons with the failed capture, of 300
    assert errors.rows[0][2].n == 300 and 0 <= errors.rows[0][-1].value < 0.5


def test_claims_are_compared_with_all_pairs_of_a_gallery(out):
    vectors = unit(np.random.default_rng(1).normal(size=(600, 16)))
    values, pairs = score_calibration.highest_pairs(vectors, 0.6)
    similarity = np.triu(vectors @ vectors.T, 1)
    assert 0 < len(values) == (similarity >= 0.6).sum()
    assert np.allclose(similarity[tuple(pairs.T)], values, atol=1e-6)
    rate = score_calibration.fmr_of_pairs(pairs, np.arange(600) // 2)
    assert rate.value == pytest.approx(len(values) / (600 * 599 / 2)) and 0 < rate.low < rate.value < rate.high
    assert score_calibration.fmr_of_pairs(pairs[:0], np.arange(600)).high == pytest.approx(3 / (600 * 599 / 2))

    claims = Calibration(0.3, 4e-3, 0.03, -6, 30, mated=500, non_mated=5000)
    shipped, fitted = score_calibration.rendered_rows(read_templates(out, "embedding"), claims)
    assert shipped[0].startswith("30 rendered eyes") and shipped[1].n == fitted[1].n == 30 * 29 // 2
    assert shipped[-1].value == pytest.approx(1e7 / 435, rel=1e-3)  # the eye under two names, of 435 pairs
    assert fitted[1].low <= fitted[1].value <= fitted[1].high


def test_galleries_of_several_captures_are_measured(out):
    eyes = eyes_of(out)
    assert len(eyes) == 30
    found = []
    for count in (1, 3):
        gallery = [
            fuse([shot.embedding for shot in shots[:count] if shot is not None])[None] for shots in eyes.values()
        ]
        found.append(rates(eyes, gallery)[0])
    assert found[0].n == 60 and found[1].value <= found[0].value
    assert found[1].value >= 100 / 60 - 0.01  # the probe that failed


def test_identification_counts_failures_and_simulated_eyes(out):
    found = identification.searches_of(out)
    assert found.size == 30 and len(found.mates) == 120 and len(found.probes) == 119
    assert np.isneginf(found.mates).sum() == np.isneginf(found.others).sum() == 1
    blocks = np.concatenate(list(identification.simulated(found, 5000)))
    assert blocks.shape == (5000, 64) and np.allclose(np.linalg.norm(blocks, axis=1), 1, atol=1e-4)
    assert np.var(found.probes @ blocks.T) == pytest.approx(np.var(found.non_mated()), rel=0.25)
    rows, ratios = identification.rows_of("eyes", found, 3000, CALIBRATION)
    assert [row[1] for row in rows] == [30, 3000] and rows[0][2].value >= 100 / 120 - 0.01
    assert rows[1][3] >= rows[0][3] > 0.5  # the threshold that the eye under two names sets
    assert len(ratios) == 2 and min(ratios) >= 0


def test_a_gallery_that_is_large_enough_is_searched_as_it_is(out, monkeypatch):
    monkeypatch.setattr(identification, "_BLOCK", 7)  # mates stand in several blocks
    found = identification.searches_of(out)
    rows, ratios = identification.rows_of("eyes", found, 30, CALIBRATION)
    assert [row[1] for row in rows] == [30] and ratios == []
    gallery = found.everything[found.gallery]
    similarity = (found.probes @ gallery.T).astype(float)
    mated = np.arange(30) == found.mate_numbers[:, None]
    assert (mated.sum(1) == 1).all()
    assert np.allclose(found.mates[found.enrolled], similarity[mated], atol=1e-6)
    assert np.allclose(found.others[found.enrolled], np.where(mated, -1, similarity).max(1), atol=1e-6)
    assert found.mates[found.enrolled].min() > 0.5 > np.median(found.others[found.enrolled])


def test_other_eyes_join_a_gallery_and_their_likeness_is_told(out):
    found = identification.searches_of(out)
    others, same = identification.joined(found, [found.everything])  # each probe finds itself
    assert np.allclose(others[found.enrolled], 1, atol=1e-5) and min(same) > 1
    far, none = identification.joined(found, [-found.probes.mean(0, keepdims=True)])
    assert np.array_equal(far, found.others) and none == [0, 0]


def test_the_command_searches_a_folder_of_rendered_eyes_as_it_is(out):
    options = ["--rendered", str(out), "--size", "1000", "--no-speed", "--no-results"]
    lines = (
        CliRunner().invoke(identification.cli, [f"eyes={out}", *options], catch_exceptions=False).output.splitlines()
    )
    assert [line.split("  ")[:2] for line in lines] == [
        ["rendered eyes", "30"],
        ["eyes", "30"],
        ["eyes", "1000"],
        ["eyes", "simulated"],
        ["eyes", "rendered"],
    ]
    assert float(lines[-1].split("  ")[2]) > 1  # its probes' mates are among them
