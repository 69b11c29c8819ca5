"""Transformers for scikit-learn: pictures to rectified strips, or to embeddings.

    from irisstn.sklearn import IrisEmbedder
    model = make_pipeline(IrisEmbedder(), KNeighborsClassifier(1, metric="cosine")).fit(paths, eyes)

Needs `pip install "irisstn[sklearn]"`, and torch or ONNX Runtime as `irisstn.Pipeline` does.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from irisstn.errors import IrisError
from irisstn.extras import extra_named
from irisstn.normalization import DEFAULT_SIZE
from irisstn.pipeline import Pipeline

if TYPE_CHECKING:
    from irisstn.networks import RuntimeChoice
    from irisstn.rectification.roll_setting import RollMode

with extra_named():
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

__all__ = ["IrisEmbedder", "IrisRectifier"]

OnError = Literal["raise", "nan"]
_NO_FILES = "iuf"  # kinds of numpy's dtypes that hold pictures themselves


class _PictureTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]  # no types
    """What both transformers have in common. There is nothing to fit: the networks are trained already."""

    model: str | Path | None
    rectifier: str | Path | None
    runtime: RuntimeChoice
    on_error: OnError

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803  (scikit-learn's names)
        """Check the parameters and the form of `X`; no picture is read, nothing is learned.

        Parameters
        ----------
        X : sequence of N pictures
            As in `transform`.
        y : object, optional
            Not used.

        Returns
        -------
        object
            Itself.
        """
        self._made()
        _pictures(X)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """The parameters alone: the networks are loaded anew in another process."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_pipeline"}

    def set_params(self, **params: Any) -> Self:
        """Set parameters, as scikit-learn does; networks of other parameters are loaded when they are next used."""
        self.__dict__.pop("_pipeline", None)
        super().set_params(**params)
        return self

    def _made(self) -> Pipeline:
        """The object that processes pictures, made at its first use. Raises ValueError for impossible parameters."""
        if self.on_error not in ("raise", "nan"):
            raise ValueError(f"on_error must be raise or nan, got {self.on_error!r}")
        if "_pipeline" not in self.__dict__:
            self._pipeline = self._new_pipeline()
        return self._pipeline

    @abstractmethod
    def _new_pipeline(self) -> Pipeline:
        """A new object that processes pictures, of these parameters."""

    def _rows(self, X: Any, compute: Callable[[Any], NDArray[np.float32]], width: int) -> NDArray[np.float32]:  # noqa: N803
        """The result (width,) of each picture as (N, width)."""
        pictures, failed = _pictures(X), []
        rows = np.full((len(pictures), width), np.nan, np.float32)
        for number, picture in enumerate(pictures):
            name = f"picture {number + 1} of {len(pictures)}"
            name += f" ({picture})" if isinstance(picture, str | Path) else ""
            try:
                rows[number] = compute(picture)
            except IrisError as error:
                if self.on_error == "raise":
                    raise type(error)(f"{name}: {error.reason}", stage=error.stage) from None
                failed.append(f"{name}: {error.reason}")
        if failed:
            warnings.warn(f"{len(failed)} pictures have rows of NaN; the first is {failed[0]}", stacklevel=4)
        return rows


class IrisRectifier(_PictureTransformer):
    """Pictures to rectified strips, one row of gray levels for each.

    Parameters
    ----------
    model, rectifier, runtime, size, roll
        As for `irisstn.Pipeline`.
    unusable : {"nan", "mean"}
        What stands in the cells that show no iris: NaN, or the mean of the strip's usable cells, for estimators that
        take no NaN.
    on_error : {"raise", "nan"}
        What to do with a picture that cannot be read or shows no iris: raise an `irisstn.IrisError` that names it, or
        give a row of NaN and a warning.

    Examples
    --------
    >>> IrisRectifier(size=(32, 256)).get_params()["size"]
    (32, 256)
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        rectifier: str | Path | None = None,
        runtime: RuntimeChoice = "auto",
        size: tuple[int, int] = DEFAULT_SIZE,
        roll: RollMode = "auto",
        unusable: Literal["nan", "mean"] = "nan",
        on_error: OnError = "raise",
    ) -> None:
        self.model, self.rectifier, self.runtime = model, rectifier, runtime
        self.size, self.roll, self.unusable, self.on_error = size, roll, unusable, on_error

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Segment and rectify pictures.

        Parameters
        ----------
        X : sequence of N pictures
            Paths, arrays (H, W) or (H, W, 3) or Pillow images, as `irisstn.Pipeline` takes them, in a list, an array
            of paths or a column of a table; or one array (N, H, W) or (N, H, W, 3).

        Returns
        -------
        ndarray of float32, shape (N, R T)
            Gray levels in 0..1, row by row of the strip: `.reshape(-1, R, T)` gives the strips.

        Raises
        ------
        IrisError
            For a picture that cannot be processed, with `on_error="raise"`.
        ValueError
            Where `X` is no sequence of pictures.
        """
        pipeline = self._made()
        return self._rows(X, lambda picture: self._row(pipeline, picture), self._n_features_out)

    @property
    def _n_features_out(self) -> int:
        return int(self.size[0] * self.size[1])

    def _new_pipeline(self) -> Pipeline:
        if self.unusable not in ("nan", "mean"):
            raise ValueError(f"unusable must be nan or mean, got {self.unusable!r}")
        rows, columns = self.size
        return Pipeline(
            self.model, rectifier=self.rectifier, runtime=self.runtime, size=(rows, columns), roll=self.roll
        )

    def _row(self, pipeline: Pipeline, picture: Any) -> NDArray[np.float32]:
        strip = pipeline.rectify(picture).strip
        gray = strip.image / np.float32(255)
        other = gray[strip.usable].mean() if self.unusable == "mean" and strip.usable.any() else np.nan
        return np.where(strip.usable, gray, np.float32(other)).ravel()


class IrisEmbedder(_PictureTransformer):
    """Pictures to embeddings of length 1, which are compared by their cosine.

    Parameters
    ----------
    model, rectifier, recognizer, runtime
        As for `irisstn.Pipeline`.
    on_error : {"raise", "nan"}
        As for `IrisRectifier`.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        rectifier: str | Path | None = None,
        recognizer: str | Path | None = None,
        runtime: RuntimeChoice = "auto",
        on_error: OnError = "raise",
    ) -> None:
        self.model, self.rectifier, self.recognizer = model, rectifier, recognizer
        self.runtime, self.on_error = runtime, on_error

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Segment, rectify and embed pictures.

        Parameters
        ----------
        X : sequence of N pictures
            As in `IrisRectifier.transform`.

        Returns
        -------
        ndarray of float32, shape (N, D)
            Embeddings.

        Raises
        ------
        IrisError
            For a picture that cannot be processed, with `on_error="raise"`, and where weights cannot be used.
        ValueError
            Where `X` is no sequence of pictures.
        """
        return self._rows(X, self._made().embed, self._n_features_out)

    @property
    def _n_features_out(self) -> int:
        return int(self._made().embed([]).shape[1])

    def _new_pipeline(self) -> Pipeline:
        return Pipeline(self.model, rectifier=self.rectifier, recognizer=self.recognizer, runtime=self.runtime)


def _pictures(pictures: Any) -> list[Any]:
    """The pictures of `X`, one by one. Raises ValueError where it is no sequence of pictures."""
    if isinstance(pictures, str | Path) or not isinstance(pictures, Iterable):
        raise ValueError("X must be a list of pictures, got one: [picture] is a list of one")
    if hasattr(pictures, "tocsr"):
        raise ValueError("X must be pictures: sparse input is not supported")
    if isinstance(pictures, np.ndarray) and pictures.dtype.kind in _NO_FILES and pictures.ndim not in (3, 4):
        raise ValueError(f"X must be pictures, (N, H, W) or (N, H, W, 3), or paths, got an array {pictures.shape}")
    if hasattr(pictures, "to_numpy"):  # a table, or its column
        pictures = pictures.to_numpy()
    if isinstance(pictures, np.ndarray) and pictures.dtype.kind not in _NO_FILES:
        if pictures.ndim > 1 and pictures.size != len(pictures):
            raise ValueError(f"X must be one column of paths, got {pictures.shape}")
        pictures = pictures.ravel()
    found = [str(picture) if isinstance(picture, np.str_) else picture for picture in pictures]
    if not found:
        raise ValueError("X holds no pictures: at least one is needed")
    return found
