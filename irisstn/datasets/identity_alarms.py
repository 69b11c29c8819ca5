"""What is wrong or doubtful about the identities of a set of samples."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Literal

from irisstn.datasets.layouts import EYE_WORDS, EYES, ND, Label
from irisstn.datasets.naming import Reading, same_subject

Level = Literal["wrong", "unusable", "doubt"]
_MOST = 0.5  # of the pictures: one eye with more of them is doubtful
_FEW = 4  # pictures from which on that is said
_CLASSES, _IN_A_CLASS = 5, 25  # so few subjects with so many pictures of each may be classes
_SURE_SESSION = re.compile(
    r"(?:sess(?:ion|ao)?|visit|day|date|time|week|month|trial|round|device)s?[-_ .]?(?:\d+|[a-d])?"
    r"|(?:first|second|third|1st|2nd|3rd)(?:[-_ ]?(?:session|visit|day))?|(?:19|20)\d\d[-_.][01]\d[-_.][0-3]\d"
    r"|nir|vis|rgb|(?:infrared|nir|rgb|visible)[-_ ]images?",
    re.IGNORECASE,
)
_EYE_PART = re.compile(rf"(?<![a-z])\d*({EYE_WORDS})(?:eye)?\d*(?![a-z])", re.IGNORECASE)
_DIGITS_OF_A_PERSON = 3  # from so many digits on a number in a file name is rather that of a person than of a capture


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something about the identities that a user should look at.

    Attributes
    ----------
    level : {"wrong", "unusable", "doubt"}
        Surely wrong; not fit for training or evaluation; or perhaps wrong.
    text : str
        What, where and how to mend it.
    """

    level: Level
    text: str


def alarms_of(readings: Mapping[str, Reading], *, given: bool) -> tuple[Alarm, ...]:
    """The alarms of a set of samples, the worst first.

    Parameters
    ----------
    readings : mapping of str to Reading
        How each name was read.
    given : bool
        Whether a user said how: then names that tell something else are no alarm.
    """
    names: dict[Label, list[str]] = defaultdict(list)
    for name, reading in readings.items():
        if reading.label is not None:
            names[reading.label].append(name)
    alarms = [*_unknown(readings), *_counts(names), *_notes(readings), *_spellings(names)]
    alarms += _partial_eyes(names, given=given)
    if not given:
        alarms += [*_merged_eyes(names), *_rules(readings, names), *_folders_aside(readings, names), *_classes(names)]
        alarms += [*_one_letter(names), *_other_numbers(readings)]
    order = ("wrong", "unusable", "doubt")
    return tuple(sorted(alarms, key=lambda alarm: order.index(alarm.level)))


def _unknown(readings: Mapping[str, Reading]) -> Iterable[Alarm]:
    unknown = [name for name, reading in readings.items() if reading.label is None]
    if not unknown:
        return
    reason = readings[unknown[0]].rule
    hint = ""
    if "--labels" not in reason:
        depth = len(PurePosixPath(unknown[0]).parts)
        pattern = "/".join(["{subject}", *["*"] * (depth - 1)]) if depth > 1 else "{subject}_*"
        hint = f"; give --labels, a CSV with path, subject and eye, or --layout, like '{pattern}'"
    yield Alarm(
        "unusable",
        f"the identity of {unknown[0]} is not known: {reason} ({len(unknown)} of {len(readings)} such pictures){hint}",
    )


def _counts(names: Mapping[Label, list[str]]) -> Iterable[Alarm]:
    counts = Counter({label: len(held) for label, held in names.items()})
    if not counts:
        return
    label, most = counts.most_common(1)[0]
    total = counts.total()
    if len(counts) == 1:
        yield Alarm("unusable", f"all {total} pictures are read as one eye, {_text(label)}")
    elif most > _MOST * total and total >= _FEW:
        yield Alarm("doubt", f"{most} of {total} pictures are read as one eye, {_text(label)}")
    if most == 1:
        yield Alarm("unusable", "no eye has two pictures")


def _notes(readings: Mapping[str, Reading]) -> Iterable[Alarm]:
    for note in sorted({reading.note for reading in readings.values() if reading.note}):
        yield Alarm("doubt", note)


def _spellings(names: Mapping[Label, list[str]]) -> Iterable[Alarm]:
    """Subjects whose names differ only in case, blanks, leading zeros or the form of Unicode."""
    forms: dict[str, set[str]] = defaultdict(set)
    for label in names:
        plain = unicodedata.normalize("NFKC", label.subject).casefold()
        forms[re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\s_-]+", "", plain))].add(label.subject)
    for spellings in forms.values():
        if len(spellings) > 1:
            shown = " and ".join(repr(text) for text in sorted(spellings)[:3])
            yield Alarm("doubt", f"{shown} are read as different persons")
            return


def _partial_eyes(names: Mapping[Label, list[str]], *, given: bool) -> Iterable[Alarm]:
    """Pictures without an eye, alone or beside others that have one."""
    without = [label for label in names if not label.eye]
    if not without:
        return
    both = sorted({label.subject for label in without} & {label.subject for label in names if label.eye})
    if both:
        yield Alarm(
            "wrong", f"some pictures of {both[0]} name the eye and others do not, such as {_first(names, both[0])}"
        )
    elif len(without) < len(names):
        yield Alarm(
            "doubt", f"{len(without)} of {len(names)} eyes are not named left or right, such as {_text(without[0])}"
        )
    elif given and any(ND.fullmatch(PurePosixPath(name).stem) for held in names.values() for name in held):
        yield Alarm("wrong", "Notre Dame's sets have both eyes of a person, but what was given does not name them")
    else:
        told = "what was given names no eye" if given else "no name tells left from right"
        yield Alarm("doubt", f"{told}: all pictures of a person count as one eye")


def _first(names: Mapping[Label, list[str]], subject: str) -> str:
    return names[Label(subject)][0]


def _merged_eyes(names: Mapping[Label, list[str]]) -> Iterable[Alarm]:
    """Eyes in whose names both left and right occur."""
    for label, held in names.items():
        if label.eye:
            continue
        found: dict[str, str] = {}
        for name in held:
            eyes = {EYES[part.upper()] for part in _EYE_PART.findall(name.rpartition(".")[0] or name)}
            if len(eyes) == 1:
                found.setdefault(eyes.pop(), name)
        if len(found) == 2:
            yield Alarm(
                "wrong", f"{found['L']} and {found['R']} are read as one eye, though their names say left and right"
            )
            return


def _rules(readings: Mapping[str, Reading], names: Mapping[Label, list[str]]) -> Iterable[Alarm]:
    """Subjects that were read by two rules: numbers of two data sets, perhaps."""
    rules: dict[str, dict[str, str]] = defaultdict(dict)
    for label, held in names.items():
        for name in held:
            rules[label.subject].setdefault(readings[name].rule, name)
    for subject, found in rules.items():
        # Within the folder of the subject any names are the subject's.
        loose = [name for name in found.values() if not _in_folder_of(subject, name)]
        if len(found) > 1 and loose:
            one, two = loose[0], next(name for name in found.values() if name != loose[0])
            yield Alarm("wrong", f"{one} and {two} are named by different rules, but both read as person {subject}")
            return
    kinds = Counter(reading.rule for reading in readings.values() if reading.label is not None)
    if len(kinds) > 1:
        yield Alarm(
            "doubt", f"the names follow different rules: {', '.join(f'{rule} ({n})' for rule, n in kinds.items())}"
        )


def _in_folder_of(subject: str, name: str) -> bool:
    return any(same_subject(folder, subject) for folder in PurePosixPath(name).parts[:-1])


@lru_cache(maxsize=1 << 14)
def _unsure(folders: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `folders` that are neither clearly sessions nor those of an eye."""
    eye = re.compile(rf"(?:^|[-_ ])(?:{EYE_WORDS})(?:$|[-_ ])", re.IGNORECASE)
    return tuple(folder for folder in folders if not _SURE_SESSION.fullmatch(folder) and not eye.search(folder))


def _folders_aside(readings: Mapping[str, Reading], names: Mapping[Label, list[str]]) -> Iterable[Alarm]:
    """Persons with pictures in several folders that are neither the person's nor clearly those of sessions."""
    for label, held in names.items():
        found: dict[tuple[str, ...], str] = {}
        for name in held:
            aside = _unsure(readings[name].aside)
            found.setdefault(aside, name)
        if len(found) > 1:
            one, two = list(found.values())[:2]
            yield Alarm("doubt", f"{one} and {two}, in different folders, are read as one eye, {_text(label)}")
            return


def _classes(names: Mapping[Label, list[str]]) -> Iterable[Alarm]:
    """Few subjects with many pictures each and no eye: folders of classes, perhaps."""
    few = 1 < len(names) <= _CLASSES and not any(label.eye for label in names)
    if few and min(map(len, names.values())) >= _IN_A_CLASS:
        shown = ", ".join(sorted(label.subject for label in names)[:3])
        yield Alarm("doubt", f"{shown} have very many pictures each: are they classes rather than persons?")


def _one_letter(names: Mapping[Label, list[str]]) -> Iterable[Alarm]:
    """Eyes that are all left or all right, by a letter in the names of files: perhaps it means something else."""
    eyes = {label.eye for label in names if label.eye}
    if len(eyes) != 1 or len(names) < 2:
        return
    letter = re.compile(r"(?<![a-z])\d*[lr]\d*(?![a-z])", re.IGNORECASE)
    if all(letter.search(PurePosixPath(name).stem) for held in names.values() for name in held):
        side = "left" if eyes == {"L"} else "right"
        yield Alarm("doubt", f"all eyes are {side} ones, by a letter in the names of files: does it mean that?")


def _other_numbers(readings: Mapping[str, Reading]) -> Iterable[Alarm]:
    """File names that begin with what may be a site, a session or a camera, before the number of the person."""
    numbered = {name: reading for name, reading in readings.items() if reading.number and reading.label}
    numbers = {reading.number for reading in numbered.values()}
    subjects = {reading.label.subject for reading in numbered.values() if reading.label}
    longest = max((len(number) for number in numbers), default=0)
    if len(numbers) > 1 and (len(numbers) >= len(subjects) or longest >= _DIGITS_OF_A_PERSON):
        name, reading = next(iter(numbered.items()))
        person = reading.label.subject if reading.label else ""
        before = re.search(rf"{reading.number}[-_. ](?:.*[-_. ])?(?:{EYE_WORDS})(?:[-_. ]|eye)", name, re.IGNORECASE)
        pattern = "{subject}_*{eye}*" if before else "{eye}_{subject}*"
        yield Alarm(
            "doubt",
            f"{name} is read as person {person}, and {reading.number} as a session or capture: if {reading.number} is "
            f"the person, give --layout, like '**/*_{pattern}'",
        )


def _text(label: Label) -> str:
    """`label` for a message."""
    return f"{label.subject}/{label.eye}" if label.eye else label.subject
