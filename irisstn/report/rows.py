"""The rows of the page of an output folder: what its script needs of each record, as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from irisstn.errors import DatasetError
from irisstn.outputs.records import FILES, FileField, Json, Record, is_number, output_file, texts_of
from irisstn.quality import RECOMMENDED
from irisstn.report.figures import figures_of
from irisstn.report.pictures import EmbeddedPictures
from irisstn.storage.file_names import safe_name

_LEAST_PX = 0.05  # a Fourier coefficient below it is not visible
Row = dict[str, Json]


class TextNumbers:
    """Texts that many rows share, each with its number: a row holds the number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of `text`."""
        return self._numbers.setdefault(text, len(self._numbers))

    def all(self) -> list[str]:
        """The texts in the order of their numbers."""
        return list(self._numbers)


class Rows:
    """Makes the rows of a page, and the data that the page holds.

    Parameters
    ----------
    out : Path
        The output folder.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._figures, self._reasons, self._warnings = TextNumbers(), TextNumbers(), TextNumbers()

    def row(self, record: Record) -> Row:
        """The row of `record`: `name`, and

        failed : the number of its reason, for an input that failed
        values : its figures, by their numbers; null where it has none
        warnings : the numbers of its warnings
        files : for each file of the record 1 where its name is the input's and the suffix of its kind, 2 where it is
            the input's, or else its address
        size, pupil, iris, lids : the boundaries, as `segmentation_fields` writes them, rounded
        strip : 1 where the input was a strip
        """
        row: Row = {"name": record["path"]}
        if record.get("status") != "ok":
            row["failed"] = self._reasons.number(f"{record.get('stage')}: {record.get('reason')}")
            return row
        row["values"] = self._values(record)
        warnings = texts_of(record, "warnings")
        if warnings:
            row["warnings"] = [self._warnings.number(warning) for warning in warnings]
        row["files"] = _files(record)
        if record.get("input") == "strip":
            row["strip"] = 1
        return row | _boundaries(record)

    def data(self, rows: Iterable[Row], inputs: Mapping[str, Path], pictures: Mapping[str, EmbeddedPictures]) -> Markup:
        """The data of the page, as JSON that can stand in a <script> element.

        Parameters
        ----------
        rows : iterable of Row
            What `row` returned.
        inputs : mapping of str to Path
            Where the pictures of the inputs are, by name.
        pictures : mapping of str to EmbeddedPictures
            Those that the page carries, by name.
        """
        root = _root(inputs)
        shown = [self._with_pictures(row, inputs, pictures, root) for row in rows]
        recommended: Json = {
            name: [low if abs(low) < float("inf") else None, high if abs(high) < float("inf") else None]
            for name, (low, high) in RECOMMENDED.items()
        }
        folders: dict[str, Json] = {field: list(_folder_and_suffix(field)) for field in FILES}
        text = json.dumps(
            {
                "figures": self._figures.all(),
                "recommended": recommended,
                "reasons": self._reasons.all(),
                "warnings": self._warnings.all(),
                "folders": folders,
                "inputs": _address(self._out, root) if root is not None else None,
                "rows": shown,
            },
            separators=(",", ":"),
            allow_nan=False,
        )
        for letter in "<>&":  # so that no text can end the element
            text = text.replace(letter, f"\\u{ord(letter):04x}")
        return Markup(text)

    def _values(self, record: Record) -> list[Json]:
        found = {self._figures.number(name): float(f"{value:.5g}") for name, value in figures_of(record)}
        return [found.get(number) for number in range(max(found, default=-1) + 1)]

    def _with_pictures(
        self, row: Row, inputs: Mapping[str, Path], pictures: Mapping[str, EmbeddedPictures], root: Path | None
    ) -> Row:
        name = str(row["name"])
        path = inputs.get(name)
        if path is not None:
            below = root is not None and _is_text(name) and path.as_posix() == f"{root.as_posix()}/{name}"
            row["input"] = 1 if below else _address(self._out, path)
        held = pictures.get(name)
        if held is not None and held.eye is not None:
            eye = held.eye
            row["eye"] = [eye.source, eye.left, eye.top, eye.width, eye.height]
        if held is not None and held.given is not None:
            row["given"] = held.given
        return row


def _files(record: Record) -> dict[str, Json]:
    """The files of a record by their field. One outside the output folder is left out: the page must not load it."""
    files: dict[str, Json] = {}
    for field in FILES:
        if field not in record:
            continue
        try:
            name = safe_name(record[field])
            folder, suffix = _folder_and_suffix(field)
            stem = f"{folder}/{record['path']}"
            short = {f"{stem}{suffix}": 1, stem: 2}.get(name) if _is_text(name) else None
            files[field] = _quoted(name) if short is None else short
        except (DatasetError, ValueError):
            continue
    return files


def _folder_and_suffix(field: FileField) -> tuple[str, str]:
    """The folder of a kind of file, and its suffix: those of the file of an input x.jpg."""
    folder, _, name = output_file(field, "x.jpg").partition("/")
    return folder, name.removeprefix("x.jpg")


def _is_text(name: str) -> bool:
    """Whether a script can turn the file name `name` into an address: bytes that are no text cannot stand in JSON."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _boundaries(record: Record) -> Row:
    """Size and boundaries of a segmented picture; nothing where the record holds no such numbers."""
    try:
        row: Row = {"size": [_number(record["width"]), _number(record["height"])]}
        for field in ("pupil", "iris"):
            curve = record[field]["curve"]
            series = [[_number(value) for value in curve[part]] for part in ("cosines", "sines")]
            while len(series[0]) > 1 and max(abs(part[len(series[0]) - 1]) for part in series) < _LEAST_PX:
                series = [part[:-1] for part in series]
            row[field] = [_number(curve["x"]), _number(curve["y"]), *(list[Json](part) for part in series)]
        lids = (record["eyelids"]["upper"], record["eyelids"]["lower"])
        row["lids"] = [
            [*(_number(lid[part]) for part in ("x", "y")), *_finite(lid["angle_rad"], *lid["coefficients"])]
            for lid in lids
            if lid is not None
        ]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return {}
    return row


def _number(value: object) -> float:
    """`value`, a length in pixels, with one decimal: enough to draw. Raises TypeError where it is no number."""
    if not is_number(value):
        raise TypeError("no finite number")
    return round(float(value), 1)


def _finite(*values: object) -> list[float]:
    """`values` with five digits. Raises TypeError where one is no finite number."""
    found = [float(f"{value:.5g}") for value in values if is_number(value)]
    if len(found) != len(values):
        raise TypeError("no finite number")
    return found


def _root(inputs: Mapping[str, Path]) -> Path | None:
    """The folder below which inputs have their names; None where there is none."""
    for name, path in inputs.items():
        ending = f"/{name}"
        if path.as_posix().endswith(ending):
            return Path(path.as_posix().removesuffix(ending) or "/")
    return None


def _address(out: Path, path: Path) -> str:
    """`path` as the page in `out` names it: relative, so that both can be moved together."""
    try:
        return _quoted(Path(os.path.relpath(path, out)).as_posix())
    except ValueError:  # on another drive of Windows
        return path.absolute().as_uri()


def _quoted(name: str) -> str:
    return quote(name, errors="surrogateescape")
