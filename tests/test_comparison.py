"""Two pictures compared: similarity, false match rate, likelihood ratio, and a decision or none."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from irisstn import Quality
from irisstn.cli import cli
from irisstn.images import read_gray, write_png
from irisstn.iris_code import IrisCode
from irisstn.recognition import Calibration, compare, compare_codes, quality_doubts
from irisstn.results import Confidence
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture

CALIBRATION = Calibration(quantile=0.25, tail=1e-3, excess=0.03, offset=-6, slope=30, mated=500, non_mated=50_000)
GOOD = Quality(90.0, 20.0, 60.0, 99.0, 7.0, 100.0, 40.0, 98.0, 90.0, 80.0)


def pair(similarity):
    return np.array([1.0, 0.0]), np.array([similarity, np.sqrt(1 - similarity**2)])


def test_a_similarity_becomes_a_rate_a_ratio_and_a_decision():
    alike = compare(*pair(0.6), calibration=CALIBRATION)
    apart = compare(*pair(0.1), calibration=CALIBRATION)
    assert (alike.decision, apart.decision) == ("match", "no match")
    assert alike.similarity == pytest.approx(0.6) and alike.kind == "embedding"
    assert alike.threshold == pytest.approx(0.25)
    assert 0.4 < alike.strict_threshold < 0.5
    assert alike.false_match_rate < 1e-6 < 1e-2 < apart.false_match_rate < 0.5
    # No more than 50,000 comparisons support.
    assert alike.log10_likelihood_ratio == pytest.approx(np.log10(50_000)) and apart.log10_likelihood_ratio < -1
    # Embeddings of any length.
    a, b = pair(0.6)
    assert compare(5 * a, 0.1 * b, calibration=CALIBRATION).similarity == pytest.approx(0.6)
    assert json.loads(json.dumps(alike.as_dict()))["decision"] == "match"


def test_nothing_is_decided_by_a_small_similarity_of_poor_pictures():
    doubts = ("usable iris area 40 % (60 needed)",)
    for similarity, decision in ((0.1, "undecided"), (0.3, "undecided"), (0.6, "match")):
        found = compare(*pair(similarity), calibration=CALIBRATION, doubts=doubts)
        assert found.decision == decision and found.doubts == doubts


def test_quality_raises_doubts():
    assert quality_doubts(GOOD) == () == quality_doubts(GOOD, Confidence(0.95, 0.3, 0.5))
    (area,) = quality_doubts(replace(GOOD, usable_iris_area=42.0))
    assert area == "usable iris area 42 % (60 needed)"
    poor = replace(GOOD, iris_radius=30.0, sharpness=2.0, iris_pupil_contrast=10.0)
    assert len(quality_doubts(poor)) == 3
    assert quality_doubts(GOOD, Confidence(0.95, 0.3, 0.5, eyes_seen=2)) == ("2 eyes in the picture",)


def test_embeddings_that_cannot_be_compared_are_misuse():
    for a, b in ((np.ones(3), np.ones(4)), (np.ones((2, 3)), np.ones((2, 3))), (np.array([np.nan, 1]), np.ones(2))):
        with pytest.raises(ValueError, match="two finite embeddings"):
            compare(a, b, calibration=CALIBRATION)
    with pytest.raises(ValueError, match="no length"):
        compare(np.zeros(2), np.ones(2), calibration=CALIBRATION)


def test_codes_are_compared_by_their_own_calibration():
    rng = np.random.default_rng(0)
    bits, other = rng.random((2, 2, 2, 8, 256)) > 0.5
    seen, hidden = np.ones((2, 8, 256), bool), np.zeros((2, 8, 256), bool)
    same = compare_codes(IrisCode(bits, seen), IrisCode(np.roll(bits, 5, axis=-1), seen))
    assert same.decision == "match" and same.kind == "code" and same.similarity > 0.9
    apart = compare_codes(IrisCode(bits, seen), IrisCode(other, seen))
    assert apart.decision == "no match" and abs(apart.similarity) < 0.2
    nothing = compare_codes(IrisCode(bits, seen), IrisCode(bits, hidden))
    assert nothing.decision == "undecided" and "visible in both" in nothing.doubts[0]
    with pytest.raises(ValueError, match="calibrated for shifts"):
        compare_codes(IrisCode(bits, seen), IrisCode(other, seen), max_shift=17)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Two pictures of one eye, and one of another."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = folder / "a.png", folder / "b.png", folder / "other.png"
    for path, seed, capture in zip(paths, (4, 4, 8), (1, 2, 3), strict=True):
        shot = sample_capture(np.random.default_rng(capture), CAMERAS["ring-320x280"])
        write_png(path, render(Identity.from_seed(seed), shot).image)
    return paths


def test_match_of_two_pictures_prints_score_thresholds_and_decision(pictures):
    a, b, other = (str(path) for path in pictures)
    found = CliRunner().invoke(cli, ["match", a, b])
    assert found.exit_code == 0, found.output
    assert found.output.startswith("match\nsimilarity 0.") and "of 1e-6: 0." in found.output
    found = CliRunner().invoke(cli, ["match", a, other, "--json"])
    result = json.loads(found.output)
    assert found.exit_code == 4 and result["decision"] == "no match"
    assert result["similarity"] < result["threshold"] < result["strict_threshold"] and result["false_match_rate"] > 1e-3
    found = CliRunner().invoke(cli, ["match", a, b, "--by", "code", "--json"])
    assert found.exit_code == 0 and json.loads(found.output)["kind"] == "code"


def test_match_of_a_poor_picture_is_undecided(pictures, tmp_path):
    a, _, other = pictures
    image = read_gray(other)
    write_png(tmp_path / "small.png", image[::4, ::4])
    found = CliRunner().invoke(cli, ["match", str(a), str(tmp_path / "small.png")])
    assert found.exit_code == 5 and found.output.startswith("undecided: small.png: ") and "needed" in found.output


def test_match_of_what_is_no_pair_of_pictures_is_refused(pictures, tmp_path):
    a, b, _ = (str(path) for path in pictures)
    junk = tmp_path / "junk.png"
    junk.write_bytes(b"junk")
    for given, reason in (
        (["match", a], "two picture files"),
        (["match", a, str(tmp_path)], "two picture files"),
        (["match", a, str(junk)], f"{junk}: not a picture"),
        (["match", a, b, "--pairs"], "for output folders"),
        (["match", a, b, "--shifts", "3"], "--by code"),
        (["match", a, b, "--by", "code", "--shifts", "20"], "0 to 16"),
        (["match", str(tmp_path), "--model", a], "--model is for two pictures"),
        (["match", str(tmp_path), "--runtime", "onnx"], "--runtime is for two pictures"),
    ):
        found = CliRunner().invoke(cli, given)
        assert found.exit_code == 2 and reason in found.output and len(found.output.splitlines()) == 1, found.output
