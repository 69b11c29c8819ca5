"""Comparisons that are counted block by block give the error rates of all pairs in memory."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irisstn.datasets import Label
from irisstn.evaluation import CountedComparisons, Templates, error_rates, read_scores, scores, scores_of, write_scores
from irisstn.report.comparison import changes
from irisstn.report.plots import det_curve, det_plot, histogram_plot


@pytest.fixture(scope="module")
def templates() -> Templates:
    """Embeddings of 80 subjects with two eyes, three captures each, many of which are confused; two failures."""
    rng = np.random.default_rng(1)
    eyes = np.repeat(rng.normal(size=(160, 64)), 3, axis=0) + 1.6 * rng.normal(size=(480, 64))
    vectors = (eyes / np.linalg.norm(eyes, axis=1, keepdims=True)).astype(np.float32)
    labels = tuple(Label(f"{i // 6}", "LR"[i // 3 % 2]) for i in range(480))
    failed = {"failed.png": Label("3", "L"), "unknown.png": Label("999", "L")}
    return Templates(tuple(f"{i}.png" for i in range(480)), labels, dict(failed), embeddings=vectors)


def test_they_agree_with_all_pairs_in_memory(templates: Templates, monkeypatch: pytest.MonkeyPatch):
    exact = scores_of(templates)
    monkeypatch.setattr(scores, "EXACT_PAIRS", 100)
    counted = scores_of(templates)
    assert isinstance(counted.comparisons(), CountedComparisons)
    a, b = (error_rates(one.comparisons(), resamples=200) for one in (exact, counted))
    assert (a.mated, a.non_mated, a.subjects, a.failure_to_enrol) == (
        b.mated,
        b.non_mated,
        b.subjects,
        b.failure_to_enrol,
    )
    assert b.d_prime == pytest.approx(a.d_prime, rel=1e-3)
    pairs = [(a.eer, b.eer), *((a.fnmr_at[level], b.fnmr_at[level]) for level in a.fnmr_at)]
    assert a.eer.value > 0.01
    for one, other in pairs:
        assert other.value == pytest.approx(one.value, abs=1.5 / a.mated)
        assert other.low <= other.value <= other.high
        assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.35, abs=0.01)
    fmr, fnmr = det_curve(counted.comparisons())
    wanted_fmr, wanted_fnmr = det_curve(exact.comparisons())
    np.testing.assert_allclose(np.interp(wanted_fmr, fmr, fnmr), wanted_fnmr, atol=0.02)
    assert det_plot({"one": counted.comparisons()}) and histogram_plot({"one": counted.comparisons()})
    pictures = list(zip(changes(exact, exact), changes(counted, counted), strict=True))
    assert pictures
    for before, after in pictures:
        assert after.names == before.names and after.before == pytest.approx(before.before, abs=1e-2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 30), st.integers(2, 4), st.floats(0.1, 3))
def test_any_embeddings_give_the_same_rates_counted(seed: int, subjects: int, captures: int, spread: float):
    rng = np.random.default_rng(seed)
    eyes = np.repeat(rng.normal(size=(2 * subjects, 16)), captures, axis=0)
    vectors = eyes + spread * rng.normal(size=eyes.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    labels = tuple(Label(f"{i // captures // 2}", "LR"[i // captures % 2]) for i in range(len(eyes)))
    one = Templates(tuple(f"{i}.png" for i in range(len(eyes))), labels, {"a.png": Label("0", "L")}, embeddings=vectors)
    exact = error_rates(scores_of(one).comparisons(), resamples=0)
    with patch.object(scores, "EXACT_PAIRS", 0):
        counted = error_rates(scores_of(one).comparisons(), resamples=0)
    assert (counted.mated, counted.non_mated, counted.subjects) == (exact.mated, exact.non_mated, exact.subjects)
    assert counted.non_mated == 2 * subjects * (2 * subjects - 1) // 2 * captures**2
    assert counted.d_prime == pytest.approx(exact.d_prime, rel=1e-3)
    # Distances that differ by less than the width of an interval may change places.
    step = 2.5 / exact.mated + 2.5 / exact.non_mated
    assert counted.eer.value == pytest.approx(exact.eer.value, abs=step)
    for level, estimate in exact.fnmr_at.items():
        assert counted.fnmr_at[level].value == pytest.approx(estimate.value, abs=step)


def test_scores_on_disk_are_counted_too(templates: Templates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_scores(templates, None, tmp_path)
    monkeypatch.setattr(scores, "EXACT_PAIRS", 100)
    held, computed = read_scores(tmp_path).comparisons(), scores_of(templates).comparisons()
    assert isinstance(held, CountedComparisons) and isinstance(computed, CountedComparisons)
    one, other = (error_rates(comparisons, resamples=0) for comparisons in (held, computed))
    assert (one.eer, one.non_mated) == (other.eer, other.non_mated)
    assert one.d_prime == pytest.approx(other.d_prime)


def test_a_distance_that_is_no_number_is_refused(templates: Templates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_scores(templates, None, tmp_path)
    matrix = np.load(tmp_path / "scores.npy")
    matrix[200, 77] = np.nan
    np.save(tmp_path / "scores.npy", matrix)
    monkeypatch.setattr(scores, "EXACT_PAIRS", 100)
    with pytest.raises(ValueError, match="not a number"):
        read_scores(tmp_path).comparisons()
