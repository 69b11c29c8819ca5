"""Comparisons, error rates and their intervals, against direct computations."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irisstn.evaluation import compare_all, error_rates, evaluate_codes, evaluate_embeddings
from irisstn.evaluation.comparisons import Comparisons
from irisstn.results import Strip


def comparisons(mated, non_mated, failed=0, samples=10):
    mated, non_mated = np.asarray(mated, float), np.asarray(non_mated, float)
    subjects = np.arange(len(mated)) % 5
    pairs = np.stack([np.arange(len(non_mated)) % 5, (np.arange(len(non_mated)) + 1) % 5], axis=1)
    return Comparisons(mated, non_mated, subjects, pairs, samples, failed)


def plain_figures(mated, non_mated, level):
    """FNMR at FMR <= level and EER by trying every threshold."""
    thresholds = np.unique(np.concatenate([mated, non_mated, [np.inf]]))
    fmr = np.array([(non_mated < t).mean() for t in thresholds])
    fnmr = np.array([(mated >= t).mean() for t in thresholds])
    return fnmr[fmr <= level].min(), np.minimum(fmr, fnmr).max()


def test_error_rates_of_a_case_worked_by_hand():
    mated = [0.1, 0.2, 0.3, 0.45]
    non_mated = [0.4, 0.5, 0.5, 0.6, 0.6, 0.6, 0.7, 0.7, 0.8, 0.9]
    rates = error_rates(comparisons(mated, non_mated), fmr_levels=(0.1, 0.05), resamples=0)
    assert (
        rates.fnmr_at[0.1].value == 0.0
    )  # a threshold of 0.5 accepts one non-mated comparison in ten and all mated ones
    assert rates.fnmr_at[0.05].value == 0.25  # none may be accepted: below 0.4
    assert rates.eer.value == pytest.approx(0.1)
    assert rates.mated == 4 and rates.non_mated == 10 and rates.subjects == 5
    assert rates.smallest_fmr == pytest.approx(0.3)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(5, 200), st.sampled_from([0.0, 0.5, 2.0]), st.booleans())
def test_error_rates_agree_with_trying_every_threshold(seed, n, m, separation, rounded):
    rng = np.random.default_rng(seed)
    mated, non_mated = rng.normal(0, 1, n), rng.normal(separation, 1, m)
    if rounded:  # ties within either kind
        mated, non_mated = mated.round() + 0.25, non_mated.round()
    rates = error_rates(comparisons(mated, non_mated), fmr_levels=(0.1,), resamples=0)
    fnmr, eer = plain_figures(mated, non_mated, 0.1)
    assert rates.fnmr_at[0.1].value == pytest.approx(fnmr)
    assert rates.eer.value == pytest.approx(eer)


def test_failures_to_enrol_count_as_rejected():
    distances = np.full((4, 4), 0.9)
    distances[0, 1] = distances[1, 0] = distances[2, 3] = distances[3, 2] = 0.1
    eyes = ["a", "a", "b", "b"]
    enrolled = compare_all(distances, eyes)
    incomplete = compare_all(distances, eyes, failed=["a", "c", "c"])
    assert len(enrolled.mated) == 2 and len(enrolled.non_mated) == 4
    # Two pairs of the failed image of "a" with the two enrolled ones; one pair of the two failed images of "c".
    assert np.isinf(incomplete.mated).sum() == 3 and len(incomplete.mated) == 5
    rates = error_rates(incomplete, fmr_levels=(0.01,), resamples=0)
    assert rates.fnmr_at[0.01].value == pytest.approx(3 / 5)
    assert rates.failure_to_enrol == pytest.approx(3 / 7)
    assert error_rates(enrolled, fmr_levels=(0.01,), resamples=0).fnmr_at[0.01].value == 0.0


def test_failed_eyes_without_an_enrolled_image_count_as_subjects_of_their_own():
    incomplete = compare_all(np.zeros((2, 2)), ["a", "b"], failed=["c", "c", "d", "d"])
    assert len(set(incomplete.mated_subjects.tolist())) == 2
    assert not set(incomplete.mated_subjects.tolist()) & set(incomplete.non_mated_subjects.ravel().tolist())


def test_intervals_contain_the_value_widen_with_fewer_subjects_and_are_reproducible():
    rng = np.random.default_rng(0)

    def rates(subjects):
        eyes = [f"s{i}" for i in range(subjects) for _ in range(6)]
        vectors = np.repeat(rng.normal(size=(subjects, 8)), 6, axis=0) + 1.2 * rng.normal(size=(6 * subjects, 8))
        return evaluate_embeddings(vectors, eyes, resamples=200), vectors, eyes

    few, vectors, eyes = rates(12)
    many, _, _ = rates(80)
    for one in (few, many):
        for estimate in (one.eer, *one.fnmr_at.values()):
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert few.eer.high - few.eer.low > 1.5 * (many.eer.high - many.eer.low) > 0
    assert evaluate_embeddings(vectors, eyes, resamples=200) == few


def test_without_an_observed_error_the_upper_end_follows_the_rule_of_three():
    rates = error_rates(comparisons(np.zeros(50), np.ones(1000)), resamples=50)
    assert rates.eer.value == 0.0 and rates.eer.high == pytest.approx(3 / 50)
    assert rates.fnmr_at[1e-3].value == 0.0 and rates.fnmr_at[1e-3].high == pytest.approx(3 / 50)


def test_two_eyes_of_one_person_are_a_non_mated_comparison_of_one_subject():
    held = compare_all(np.full((3, 3), 0.5), ["1L", "1R", "2L"], subjects=["1", "1", "2"])
    assert len(held.mated) == 0
    assert sorted(map(tuple, held.non_mated_subjects.tolist())) == [(0, 0), (0, 1), (0, 1)]


@pytest.mark.parametrize(("mated", "non_mated"), [([], [0.5]), ([0.5], []), ([np.nan], [0.5])])
def test_impossible_comparisons_are_misuse(mated, non_mated):
    with pytest.raises(ValueError, match=r"comparison|number"):
        error_rates(comparisons(mated, non_mated))


def test_lengths_that_differ_are_misuse():
    with pytest.raises(ValueError, match="2 eyes"):
        compare_all(np.zeros((3, 3)), ["a", "b"])
    with pytest.raises(ValueError, match="finite"):
        evaluate_embeddings(np.full((2, 3), np.nan), ["a", "a"])


def test_codes_of_turned_strips_need_the_shift_search():
    rng = np.random.default_rng(3)
    strips, eyes = [], []
    for eye in range(6):
        coarse = np.kron(rng.integers(0, 255, (16, 64)), np.ones((2, 4))).astype(np.uint8)
        for turn in (0, 8, -12):
            strips.append(Strip(np.roll(coarse, turn, axis=1), np.ones((32, 256), bool)))
            eyes.append(str(eye))
    searched = evaluate_codes(strips, eyes, max_shift=24, resamples=0)
    single = evaluate_codes(strips, eyes, resamples=0)
    assert searched.eer.value == 0.0
    assert single.eer.value > 0.2
    assert searched.d_prime > 3 * single.d_prime


def test_no_torch_is_needed():
    code = "import sys, irisstn.evaluation, irisstn.recognition; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.integers(0, 10**6), st.integers(0, 25), st.integers(1, 6), st.booleans())
def test_pairs_are_those_of_two_loops(seed, n, eyes, single):
    rng = np.random.default_rng(seed)
    distances = rng.random((n, n)).astype(np.float32 if single else float)
    names = [f"{eye}{'LR'[int(side)]}" for eye, side in rng.integers(0, [eyes, 2], (n, 2))]
    found = compare_all(distances, names, subjects=[name[0] for name in names])
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    mated = [(i, j) for i, j in pairs if names[i] == names[j]]
    non_mated = [(i, j) for i, j in pairs if names[i] != names[j]]
    numbers = {subject: number for number, subject in enumerate(sorted({name[0] for name in names}))}
    assert found.mated.tolist() == [distances[pair] for pair in mated]
    assert found.non_mated.tolist() == [distances[pair] for pair in non_mated]
    assert found.mated_subjects.tolist() == [numbers[names[i][0]] for i, _ in mated]
    assert found.non_mated_subjects.tolist() == [[numbers[names[i][0]], numbers[names[j][0]]] for i, j in non_mated]
    values, counts = found.non_mated_counts()
    assert sorted(np.repeat(values, counts.astype(int)).tolist()) == sorted(found.non_mated.tolist())
