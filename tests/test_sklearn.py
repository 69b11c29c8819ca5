# mypy: disable-error-code="misc, arg-type"
"""The transformers for scikit-learn: what the pipeline computes, and what scikit-learn asks of a transformer."""

import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import irisstn
from irisstn import IrisError
from irisstn.sklearn import IrisEmbedder, IrisRectifier

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
PATHS = [SAMPLE / "003" / "R" / f"003R0{number}.png" for number in (1, 2)] + [SAMPLE / "001" / "L" / "001L01.png"]
# These checks fit the transformer to a table of random numbers, which is refused: a picture has two dimensions.
TABLES = {
    f"check_{name}": "a table of numbers is no list of pictures"
    for name in (
        "fit_score_takes_y",
        "estimators_overwrite_params",
        "dont_overwrite_parameters",
        "estimators_fit_returns_self",
        "readonly_memmap_input",
        "positive_only_tag_during_fit",
        "estimators_dtypes",
        "pipeline_consistency",
        "estimators_pickle",
        "f_contiguous_array_estimator",
        "transformer_general",
        "transformer_preserve_dtypes",
        "transformers_unfitted_stateless",
        "methods_sample_order_invariance",
        "methods_subset_invariance",
        "fit2d_1sample",
        "fit2d_1feature",
        "dict_unchanged",
        "fit_idempotent",
        "fit_check_is_fitted",
    )
}


@pytest.fixture(scope="module")
def embedder() -> IrisEmbedder:
    return IrisEmbedder(runtime="onnx").fit(PATHS)


@pytest.fixture(scope="module")
def embeddings(embedder: IrisEmbedder) -> np.ndarray:
    return embedder.transform(PATHS)


class OfTables:
    """Says that it takes tables, because `check_estimator` runs one check alone for a transformer that does not."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class RectifierOfTables(OfTables, IrisRectifier):
    pass


class EmbedderOfTables(OfTables, IrisEmbedder):
    pass


@pytest.mark.parametrize("kind", [RectifierOfTables, EmbedderOfTables])
@pytest.mark.filterwarnings("ignore")  # scikit-learn's own
def test_the_checks_of_scikit_learn_pass_but_for_those_of_tables(kind) -> None:
    results = check_estimator(kind(runtime="onnx"), expected_failed_checks=TABLES, on_fail=None, on_skip=None)
    status = {name: {one["check_name"] for one in results if one["status"] == name} for name in ("xfail", "passed")}
    others = {one["check_name"]: one["status"] for one in results if one["status"] not in ("xfail", "passed")}
    assert status["xfail"] == set(TABLES)  # those that would pass do not stand there
    assert others in ({}, {"check_array_api_input": "skipped"})  # that one runs with SCIPY_ARRAY_API=1 only
    assert {"check_no_attributes_set_in_init", "check_estimator_cloneable", "check_estimator_sparse_array"} <= (
        status["passed"]
    )


def test_embeddings_are_those_of_the_pipeline_from_every_kind_of_picture(embedder, embeddings) -> None:
    expected = irisstn.Pipeline(runtime="onnx").embed(PATHS)
    assert embeddings.shape == (3, 512) and np.array_equal(embeddings, expected)
    one = irisstn.read_gray(PATHS[0])
    for given in (
        [str(PATHS[0])],
        np.array([str(PATHS[0])]),
        one[None],
        [Image.open(PATHS[0])],
        np.array([[PATHS[0]]]),
    ):
        assert np.array_equal(embedder.transform(given), expected[:1])
    assert len(embedder.get_feature_names_out()) == 512


def test_strips_are_those_of_the_pipeline_and_unusable_cells_are_marked() -> None:
    strip = irisstn.Pipeline(runtime="onnx", size=(16, 128)).rectify(PATHS[0]).strip
    rectifier = IrisRectifier(runtime="onnx", size=(16, 128))
    row = rectifier.transform(PATHS[:1])[0].reshape(16, 128)
    assert np.array_equal(np.isnan(row), ~strip.usable) and 0 < strip.usable.mean() < 1
    assert np.allclose(row[strip.usable] * 255, strip.image[strip.usable], atol=1e-3)
    filled = rectifier.set_params(unusable="mean").transform(PATHS[:1])[0].reshape(16, 128)
    assert np.array_equal(filled[strip.usable], row[strip.usable])
    assert filled[~strip.usable] == pytest.approx(row[strip.usable].mean())
    assert rectifier.set_params(size=(8, 64)).transform(PATHS[:1]).shape == (1, 8 * 64)


def test_they_stand_in_pipelines_are_cloned_and_pickled(embedder, embeddings) -> None:
    model = make_pipeline(clone(embedder), KNeighborsClassifier(1, metric="cosine"))
    model.fit(PATHS[1:], ["003R", "001L"])
    assert model.predict(PATHS[:1]).tolist() == ["003R"]
    again = pickle.loads(pickle.dumps(embedder))
    assert again.get_params() == embedder.get_params() and len(pickle.dumps(embedder)) < 1000
    assert np.array_equal(again.transform(PATHS[:1]), embeddings[:1])
    with joblib.parallel_config("threading"):
        parts = joblib.Parallel(2)(joblib.delayed(embedder.transform)([path]) for path in PATHS[:2])
    assert np.array_equal(np.concatenate(parts), embeddings[:2])


def test_a_picture_without_an_iris_is_named_or_gives_nan() -> None:
    blank = np.full((240, 320), 90, np.uint8)
    with pytest.raises(IrisError, match="picture 2 of 2: "):
        IrisEmbedder(runtime="onnx").transform([PATHS[0], blank])
    with pytest.warns(UserWarning, match="1 pictures have rows of NaN; the first is picture 1 of 2: "):
        rows = IrisEmbedder(runtime="onnx", on_error="nan").transform([blank, PATHS[0]])
    assert np.isnan(rows[0]).all() and np.isfinite(rows[1]).all()
    with pytest.raises(IrisError, match=r"picture 1 of 1 \(none.png\)"):
        IrisRectifier(runtime="onnx").transform(["none.png"])


def test_what_is_no_list_of_pictures_is_refused() -> None:
    for given, words in (
        ("a.png", "one picture|got one"),
        ([], "no pictures"),
        (np.zeros((240, 320)), "got an array"),
        (np.array([["a", "b"]]), "one column"),
    ):
        with pytest.raises(ValueError, match=words):
            IrisEmbedder(runtime="onnx").fit(given)
    for wrong in (IrisRectifier(unusable="zero"), IrisEmbedder(on_error="skip"), IrisEmbedder(runtime="tpu")):
        with pytest.raises(ValueError, match="must be"):
            wrong.fit(PATHS)
