"""Layouts of known data sets, and patterns that describe the layout of any other one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from irisstn.errors import DatasetError

EYES = {"L": "L", "R": "R", "LEFT": "L", "RIGHT": "R", "OS": "L", "OD": "R"}  # oculus sinister and dexter
EYE_WORDS = r"l|r|left|right|os|od"
_EYE_CODES = EYES | {"A": "L", "B": "R", "01": "L", "02": "R"}


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """The identity of a sample.

    Attributes
    ----------
    subject : str
        The subject.
    eye : str
        "L", "R", or "" where it is not known.
    """

    subject: str
    eye: str = ""

    @property
    def eye_name(self) -> str:
        """SUBJECT/EYE, by which samples of one eye are grouped."""
        return f"{self.subject}/{self.eye}"


@dataclass(frozen=True, slots=True)
class Layout:
    """How the names of a data set tell subject and eye.

    Attributes
    ----------
    title : str
        The data set.
    pattern : re.Pattern
        What the end of a path without suffix looks like, from the beginning of a folder's or the file's name.
    anywhere : bool
        Whether only this data set has such names, so that other folders do not matter.
    note : str
        What a user has to know about its identities; "" for nothing.
    depth : int
        Number of folders and files that the pattern covers.
    """

    title: str
    pattern: re.Pattern[str]
    anywhere: bool = False
    note: str = ""
    depth: int = 1

    def label(self, path: PurePosixPath) -> Label | None:
        """The label of the sample at `path`; None where the pattern does not fit."""
        return self.label_of_parts((*path.parts[:-1], path.stem))

    def label_of_parts(self, parts: tuple[str, ...]) -> Label | None:
        """The label of the sample with the folders and the stem `parts`; None where the pattern does not fit."""
        found = self.pattern.fullmatch(parts[-1] if self.depth == 1 else "/".join(parts[-self.depth :]))
        if found is None:
            return None
        known = found.groupdict()
        if "eye_class" in known:
            number = int(known["eye_class"])
            return Label(str((number + 1) // 2), "L" if number % 2 else "R")
        return Label(known["subject"], _EYE_CODES[known["eye"].upper()] if "eye" in known else "")


def _layout(title: str, pattern: str, *, anywhere: bool = False, note: str = "") -> Layout:
    return Layout(title, re.compile(pattern, re.IGNORECASE), anywhere, note, 1 + pattern.count("/"))


_ONE_EYE = "each number counts as one eye of a person of its own, as the names do not tell left from right"
_BOTH_EYES = "each picture shows both eyes: give --eye left or right to the folder command, or they are mixed up"
_CASIA = _layout(
    "CASIA-Iris V3 or V4 (Interval, Lamp, Twins, Thousand)", r"S(?P<subject>\d{4})(?P<eye>[LR])\d{2,}", anywhere=True
)
LAYOUTS = {
    "casia-v1": _layout("CASIA-Iris V1", r"(?P<subject>\d{3,})_(?:1_[1-3]|2_[1-4])", note=_ONE_EYE),
    "casia-v2": _layout("CASIA-Iris V2", r"(?P<subject>\d{4})_\d{3}", note=_ONE_EYE),
    "casia-v3": _CASIA,
    "casia-v4": _CASIA,
    "casia-interval": _CASIA,
    "casia-lamp": _CASIA,
    "casia-twins": _CASIA,
    "casia-thousand": _CASIA,
    "casia-distance": _layout("CASIA-Iris-Distance", r"S(?P<subject>\d{4})D\d{2,}", anywhere=True, note=_BOTH_EYES),
    "casia-syn": _layout("CASIA-Iris-Syn", r"S(?P<subject>\d{4})S\d{2,}", anywhere=True, note=_ONE_EYE),
    "ubiris-v1": _layout("UBIRIS.v1", r"Img_(?P<subject>\d+)_[12]_\d+", note="all are right eyes"),
    "ubiris-v2": _layout("UBIRIS.v2", r"C(?P<eye_class>\d+)_S\d+_I\d+", anywhere=True),
    "utiris": _layout("UTIRIS", r"IMG_(?P<subject>\d{3})_(?P<eye>[LR])_\d+"),
    "iitd": _layout("IIT Delhi", r"(?P<subject>\d{3})/\d{2}_(?P<eye>[LR])"),
    "iitd-flat": _layout("IIT Delhi", r"(?P<subject>\d{3,})_\d{2}_(?P<eye>[LR])"),
    "iitd-masked": _layout("IIT Delhi", r"(?P<subject>\d{3,})-(?P<eye>[AB])_\d+"),
    "iitd-operators": _layout("IIT Delhi", r"Operator[A-Z]_(?P<subject>\d{3,})-(?P<eye>[AB])_\d+", anywhere=True),
    "mmu1": _layout("MMU1", r"(?P<subject>\d{1,3})/(?P<eye>left|right)/[a-z]+[lr]\d"),
    "mmu2": _layout("MMU2", r"(?P<subject>\d{2,3})(?P<eye>0[12])0[1-5]"),
    "warsaw": _layout("Warsaw-BioBase", r"(?P<subject>\d{3,})_(?P<eye>[LR])_\d+_\d+"),
    "synth": _layout("irisstn synth", r"(?P<subject>\d{3,})[-_]?(?P<eye>[LR])[-_]?\d+"),
}
# Names that fit only within folders of the data set, or that the rules for folders read as well.
ONLY_ON_REQUEST = frozenset({"casia-v2", "iitd"})
# ND-IRIS-0405 and cosmetic lenses; the eye is only in their table.
ND = re.compile(r"\d{5}d\d+")
ND_REASON = "names of Notre Dame's sets do not tell the eye: give --labels, their XML or CSV file"


def layout_of(given: str) -> Layout:
    """The layout that `--layout` names or describes.

    Parameters
    ----------
    given : str
        A name in `LAYOUTS`; or a pattern of paths such as "{subject}/{eye}/*" or "*/{subject}_{eye}_*": `*` stands for
        any characters of a name, `**` for any folders, {subject} and {eye} for what they say, {session} or any other
        word for characters that do not matter. {eye} is L, R, left, right, OS or OD; other codes are given like
        {eye:1=L,2=R}.

    Raises
    ------
    DatasetError
        For another name, or a pattern without {subject}.

    Examples
    --------
    >>> layout_of("{subject}/s{session}/{eye}*").label(PurePosixPath("anna/s2/L04.png"))
    Label(subject='anna', eye='L')
    """
    if given in LAYOUTS:
        return LAYOUTS[given]
    if "{" not in given:
        raise DatasetError(
            f"--layout {given}: no such layout; there are {', '.join(sorted(LAYOUTS))}, and patterns like "
            "{subject}/{eye}/*"
        )
    return _PatternLayout(f"the pattern {given}", *_compiled(given))


@dataclass(frozen=True, slots=True)
class _PatternLayout(Layout):
    """A layout that a user described; it is matched with the whole path."""

    codes: tuple[tuple[str, str], ...] = ()

    def label(self, path: PurePosixPath) -> Label | None:
        found = self.pattern.fullmatch(str(path)) or self.pattern.fullmatch(str(path.with_name(path.stem)))
        if found is None:
            return None
        eye = found.groupdict().get("eye")
        return Label(found["subject"], dict(self.codes)[eye.upper()] if eye is not None else "")


def _compiled(given: str) -> tuple[re.Pattern[str], bool, str, int, tuple[tuple[str, str], ...]]:
    """The pattern, and the rest of what `_PatternLayout` holds after its title."""
    codes = EYES
    seen: set[str] = set()
    parts = []
    for part in re.split(r"(\{[^{}]*\}|\*\*/?|\*)", given.removeprefix("./")):
        if part.startswith("**"):
            parts.append("(?:.*/)?" if part.endswith("/") else ".*")
        elif part == "*":
            parts.append("[^/]*")
        elif not part.startswith("{"):
            parts.append(re.escape(part))
        else:
            name, _, values = part[1:-1].partition(":")
            if values and name == "eye":
                codes = _codes(given, values)
            if name in seen:
                parts.append(f"(?P={name})")
            elif name in ("subject", "eye"):
                seen.add(name)
                words = "|".join(map(re.escape, sorted(codes, key=len, reverse=True)))
                parts.append(f"(?P<eye>{words})" if name == "eye" else "(?P<subject>[^/]+?)")
            else:
                parts.append("[^/]+?")
    if "subject" not in seen:
        raise DatasetError(f"--layout {given}: a pattern needs {{subject}}, as in {{subject}}/{{eye}}/*")
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL), True, "", 1, tuple(codes.items())


def _codes(given: str, values: str) -> dict[str, str]:
    """The eyes by their codes in `values`, such as 1=L,2=R. Raises DatasetError."""
    codes = {}
    for value in values.split(","):
        code, _, eye = value.partition("=")
        if not code.strip() or eye.strip().upper() not in EYES:
            raise DatasetError(f"--layout {given}: codes of eyes look like {{eye:1=L,2=R}}, got {value!r}")
        codes[code.strip().upper()] = EYES[eye.strip().upper()]
    return codes
