"""Rows of tables of identities: CSV files, and XML files such as those of the Notre Dame sets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from irisstn.datasets.folders import MAX_LIST_BYTES
from irisstn.errors import DatasetError
from irisstn.files import read_regular_file

_LONGEST_HEAD = 1 << 16  # characters
# Names of columns and attributes, without "-", "_" and blanks; the first one that a table has is read.
_COLUMNS = {
    "path": (
        "path",
        "filepath",
        "imagepath",
        "filename",
        "file",
        "image",
        "imageid",
        "sequenceid",
        "recordingid",
        "name",
    ),
    "subject": ("subject", "subjectid", "person", "personid", "identity", "participant", "patient", "user"),
    "eye": ("eye", "eyeside", "side", "laterality", "whicheye"),
}


def table_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a table.

    Parameters
    ----------
    path : Path
        A CSV file, with commas, semicolons or tabs; or an XML file, in which an element that names a file is a row, and
        has the attributes of the elements around it as well.

    Yields
    ------
    where : str
        The row, for a message.
    row : dict of str to str
        `path`, `subject` and `eye`; "" where it does not say.

    Raises
    ------
    DatasetError
        The file cannot be read, or names no picture or no subject.
    """
    try:
        data = read_regular_file(path, max_bytes=MAX_LIST_BYTES)
        yield from _xml_rows(path, data) if path.suffix.lower() == ".xml" else _csv_rows(path, data)
    except (OSError, ValueError, csv.Error, ET.ParseError) as error:
        raise DatasetError(f"{path} cannot be read as labels: {error}") from None


def holds_identities(path: Path) -> bool:
    """Whether the file at `path` is a CSV file with a column of subjects."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8-sig") as file:
            head = file.readline(_LONGEST_HEAD)
    except (OSError, ValueError):
        return False  # whoever reads the file says why
    return "subject" in _columns(next(csv.reader([head], delimiter=_delimiter(head)), []))


def _delimiter(head: str) -> str:
    """What separates the columns of a CSV file with the first line `head`."""
    return max(",;\t", key=head.count)


def _csv_rows(path: Path, data: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    text = data.decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text.partition("\n")[0]))
    columns = _columns(rows.fieldnames or [])
    missing = [name for name in ("path", "subject") if name not in columns]
    if missing:
        raise DatasetError(f"{path} has no column {' and no column '.join(missing)}")
    for row in rows:
        yield f"line {rows.line_num}", {name: row.get(columns.get(name, "")) or "" for name in _COLUMNS}


def _xml_rows(path: Path, data: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    if b"<!ENTITY" in data:
        raise DatasetError(f"{path} cannot be read as labels: it defines entities")
    found = False
    # In sets of biometric signatures the name of the outer element is the subject.
    stack: list[tuple[ET.Element, dict[str, str]]] = [(ET.fromstring(data), {})]
    while stack:
        element, around = stack.pop()
        held = around | {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        held |= {child.tag.rpartition("}")[2]: child.text or "" for child in element if not len(child)}
        if element.tag.rpartition("}")[2].lower() in ("biometric-signature", "signature") and "name" in element.attrib:
            held["subject"] = element.attrib["name"]
        columns = _columns(held)
        named = _columns({**element.attrib, **{child.tag: "" for child in element if not len(child)}})
        inner = [child for child in element if len(child) or child.attrib]
        if not inner and {"path"} <= named.keys() and "subject" in columns:
            found = True
            yield f"entry {held[columns['path']]}", {name: held.get(columns.get(name, ""), "") for name in _COLUMNS}
        stack += [(child, held) for child in reversed(inner)]
    if not found:
        raise DatasetError(f"{path} has no entry with a file and a subject")


def _columns(names: Iterable[str]) -> dict[str, str]:
    """The name in the table of each column in `_COLUMNS` that it has."""
    plain = {"".join(letter for letter in name.lower() if letter.isalnum()): name for name in names if name}
    found = {}
    for column, synonyms in _COLUMNS.items():
        held = [plain[synonym] for synonym in synonyms if synonym in plain]
        if held:
            found[column] = held[0]
    return found
