"""Rows of tables of identities: CSV files, and XML files such as those of the Notre Dame sets."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from irisstn.datasets.folders import MAX_LIST_BYTES
from irisstn.errors import DatasetError
from irisstn.files import read_regular_file

_LONGEST_HEAD = 1 << 16  # characters
_SHOWN = 8  # columns in an error
# Names of columns and attributes, without "-", "_" and blanks; the first one that a table has is read.
_COLUMNS = {
    "path": (
        "path",
        "filepath",
        "imagepath",
        "filename",
        "imagename",
        "imagefile",
        "file",
        "image",
        "imageid",
        "sequenceid",
        "recordingid",
        "name",
    ),
    "subject": ("subject", "subjectid", "person", "personid", "identity", "participant", "patient", "user"),
    "eye": ("eye", "eyeside", "side", "laterality", "whicheye", "leftright", "leftrighteye", "eyeleftright", "eyelr"),
}


def table_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a table.

    Parameters
    ----------
    path : Path
        A CSV file, with commas, semicolons or tabs; or an XML file, in which the innermost elements that name a file
        are the rows, and have the attributes of the elements around them as well.

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


def listed_paths(path: Path, data: bytes) -> list[str]:
    """The paths in the content `data` of the CSV file at `path`. Raises DatasetError where it has no column of them."""
    rows, columns = _csv_table(path, data, ("path",))
    return [row[columns["path"]] for row in rows if row[columns["path"]]]


def _csv_rows(path: Path, data: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    rows, columns = _csv_table(path, data, ("path", "subject"))
    for row in rows:
        yield f"line {rows.line_num}", {name: row.get(columns.get(name, "")) or "" for name in _COLUMNS}


def _csv_table(path: Path, data: bytes, needed: tuple[str, ...]) -> tuple[csv.DictReader[str], dict[str, str]]:
    """The rows of a CSV file, and the names of its columns by those of `_COLUMNS`."""
    text = data.decode("utf-8-sig")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DatasetError(f"{path} is damaged: line {line} holds a NUL character")
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text.partition("\n")[0]))
    columns = _columns(rows.fieldnames or [])
    missing = [name for name in needed if name not in columns]
    if missing:
        held = ", ".join(str(name)[:40] for name in (rows.fieldnames or [])[:_SHOWN]) or "nothing"
        raise DatasetError(f"{path} has no column {' and no column '.join(missing)}; its first line has {held}")
    plain = [_plain(name or "") for name in rows.fieldnames or []]
    read = columns.values() if "subject" in needed else [columns[name] for name in needed]  # eyes belong to subjects
    for name in read:
        if plain.count(_plain(name)) > 1:
            raise DatasetError(f"{path} has the column {name} twice: remove or rename one of them")
    return rows, columns


def _xml_rows(path: Path, data: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    if b"<!ENTITY" in data.replace(b"\0", b""):  # in UTF-16 as well
        raise DatasetError(f"{path} cannot be read as labels: it defines entities")
    root = ET.fromstring(data)
    around_files = _ancestors_of(root, _names_file)
    found = False
    stack: list[tuple[ET.Element, dict[str, str]]] = [(root, {})]
    while stack:
        element, around = stack.pop()
        held = around | _fields(element)
        # In sets of biometric signatures the name of the outer element is the subject.
        if _plain_tag(element).endswith("signature") and "name" in element.attrib:
            held["subject"] = element.attrib["name"]
        columns = _columns(held)
        if element not in around_files and _names_file(element) and "subject" in columns:
            found = True
            yield f"entry {held[columns['path']]}", {name: held.get(columns.get(name, ""), "") for name in _COLUMNS}
        stack += [(child, held) for child in reversed(element)]
    if not found:
        raise DatasetError(f"{path} has no entry with a file and a subject")


def _ancestors_of(root: ET.Element, wanted: Callable[[ET.Element], bool]) -> set[ET.Element]:
    """The elements that hold a `wanted` one, at any depth."""
    parents = {child: parent for parent in root.iter() for child in parent}
    found: set[ET.Element] = set()
    for element in parents:
        above = parents.get(element) if wanted(element) else None
        while above is not None and above not in found:
            found.add(above)
            above = parents.get(above)
    return found


def _names_file(element: ET.Element) -> bool:
    """Whether an element with fields beside its name says which file it is about; leaf elements are fields."""
    return bool(len(element) or element.attrib) and "path" in _columns(_fields(element).keys() - {"name"})


def _fields(element: ET.Element) -> dict[str, str]:
    """The attributes of an element, and the texts of its children that have nothing else."""
    texts = {_plain_tag(child): child.text or "" for child in element if not len(child) and not child.attrib}
    return {name.rpartition("}")[2]: value for name, value in element.attrib.items()} | texts


def _plain_tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2].lower()


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _columns(names: Iterable[str]) -> dict[str, str]:
    """The name in the table of each column in `_COLUMNS` that it has."""
    plain = {_plain(name): name for name in names if name}
    found = {}
    for column, synonyms in _COLUMNS.items():
        held = [plain[synonym] for synonym in synonyms if synonym in plain]
        if held:
            found[column] = held[0]
    return found
