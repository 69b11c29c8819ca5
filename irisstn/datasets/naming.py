"""Derive subject and eye of samples from the names of files and folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

# File names (without suffix) that only one data set has: the folders do not matter.
_UNMISTAKABLE = (
    re.compile(r"S(?P<subject>\d{4})(?P<eye>[LR])\d{2,}"),  # CASIA-Iris V3 and V4: S1001L01
    re.compile(r"S(?P<subject>\d{4})D\d{2,}"),  # CASIA-Iris-Distance, both eyes: S4001D01
    re.compile(r"C(?P<eye_class>\d+)_S\d+_I\d+"),  # UBIRIS.v2: two classes, one per eye, are one subject
    re.compile(r"Operator[A-Z]_(?P<subject>\d{3,})-(?P<eye>[AB])_\d+"),  # IIT Delhi with hand-made masks
)
# File names with a number of the subject, which the folders must not contradict.
_NUMBERED = (
    re.compile(r"(?P<subject>\d{3,})_\d_\d"),  # CASIA-Iris V1: 001_1_2
    re.compile(r"(?P<subject>\d{3,})_\d{2}_(?P<eye>[LR])"),  # IIT Delhi in one folder: 001_01_L
    re.compile(r"(?P<subject>\d{3,})[-_]?(?P<eye>[LR])[-_]?\d+", re.IGNORECASE),  # 001L01, as `irisstn synth` writes
    re.compile(r"(?P<subject>\d{3,})_(?P<eye>[LR])_\d+_\d+"),  # Warsaw-BioBase: 0001_L_1_2
    re.compile(r"(?P<subject>\d{3,})-(?P<eye>[AB])_\d+"),  # IIT Delhi with hand-made masks: 001-A_01
    re.compile(r"(?P<subject>\d{2,3})(?P<eye>0[12])0[1-5]"),  # MMU2: 010203 is the right eye of 01
    re.compile(r"Img_(?P<subject>\d+)_[12]_\d+"),  # UBIRIS.v1, right eyes only: Img_1_2_5
    re.compile(r"IMG_(?P<subject>\d{3})_(?P<eye>[LR])_\d+", re.IGNORECASE),  # UTIRIS: IMG_002_L_1
)
_CASIA_V2 = re.compile(r"(?P<subject>\d{4})_\d{3}")  # within device1 or device2
_ND = re.compile(r"\d{5}d\d+")  # ND-IRIS-0405 and similar sets: the eye is only in their table

EYES = {"L": "L", "R": "R", "LEFT": "L", "RIGHT": "R", "OS": "L", "OD": "R"}
_EYES_IN_NAMES = EYES | {"A": "L", "B": "R", "01": "L", "02": "R"}
_EYE = r"l|r|left|right|os|od"  # oculus sinister and dexter
_EYE_FOLDER = re.compile(rf"({_EYE})(?:[-_ ]?(?:eyes?|iris(?:es)?|images?|imgs?|pictures?|photos?))?", re.IGNORECASE)
_SUBJECT_AND_EYE = re.compile(rf"(?:(.+)[-_ ]({_EYE})|(\d+)([lr]))(?:[-_ ]?eye)?", re.IGNORECASE)  # 001_L, 1L
_EYE_IN_FILE = re.compile(rf"\d*({_EYE})\d*", re.IGNORECASE)

# Folders that name neither subject nor eye.
_SESSION = re.compile(
    r"(?:sess(?:ion|ao)?|visit|day|date|time|week|month|trial|round|take|rec(?:ording)?|acq(?:uisition)?|scan|capture"
    r"|shot|sample|part|set|split|fold|batch|device)s?[-_ .]?(?:\d+|[a-d])?"
    r"|(?:first|second|third|1st|2nd|3rd)(?:[-_ ]?(?:session|visit|day))?|\d{4}[-_.]?[01]\d[-_.]?[0-3]\d",
    re.IGNORECASE,
)
_DATA_SET = re.compile(r".*(?:casia|iitd|iit[-_ ]?delhi|mmu|ubiris|utiris|warsaw|nd[-_]iris|biobase).*", re.IGNORECASE)
_COLLECTION = re.compile(
    r"(?:[a-z]+[-_ ])?(?:eyes?|iris(?:es)?|images?|imgs?|pictures?|photos?|strips?|data|dataset|database|db|all)"
    r"|train(?:ing)?|test(?:ing)?|val(?:idation)?|dev|gallery|probes?|enrol(?:l?ed|l?ment)?|raw|orig(?:inals?)?|src"
    r"|nir|vis|rgb|png|bmp|jpe?g|tiff?",
    re.IGNORECASE,
)
_VARIANT = re.compile(r"\.v\d+$")


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


def label_of(name: str) -> Label | None:
    """Derive subject and eye from the name of a sample.

    Three rules are tried in turn:

    1. File names that only one data set has (CASIA-Iris V3, V4 and Distance, UBIRIS.v2): in any folder.
    2. File names with a number of the subject (CASIA-Iris V1 and V2, IIT Delhi, MMU2, UBIRIS.v1, UTIRIS,
       Warsaw-BioBase, `irisstn synth`): where no folder may be that of another subject.
    3. One folder that is the subject's, and an eye in a folder above or below it (L, left, OS or R, right, OD), in the
       folder's name (001_L) or in that of the file (01_L.bmp).

    Folders of sessions (session1, day2, 2024-05-31) and of collections (images, train, MMU2) are neither.

    Parameters
    ----------
    name : str
        Path below the source, with "/". A rectified variant, `name`.v1, has the label of `name`.

    Returns
    -------
    Label or None
        None where no rule applies, or where names contradict each other: two folders could be the subject's, a number
        in the file name is not that of the folder, or two eyes are named.

    Examples
    --------
    >>> label_of("017/L/017L03.png")
    Label(subject='017', eye='L')
    >>> label_of("007/session2/OD/1.png")
    Label(subject='007', eye='R')
    >>> label_of("anna/2/1.png") is None
    True
    """
    path = PurePosixPath(_VARIANT.sub("", name))
    for pattern in _UNMISTAKABLE:
        found = pattern.fullmatch(path.stem)
        if found:
            return _label(found)
    if _ND.fullmatch(path.stem):
        return None
    subjects, eyes = _folders(path.parts[:-1])
    if len(eyes) > 1:
        return None
    patterns = (*_NUMBERED, _CASIA_V2) if _within_device(path) else _NUMBERED
    for pattern in patterns:
        found = pattern.fullmatch(path.stem)
        if found:
            label = _label(found)
            known = not subjects or any(_same(subject, label.subject) for subject in subjects)
            return _with_eye(label, eyes) if known else None
    if len(subjects) != 1:
        return None
    return _with_eye(Label(subjects[0], _eye_in(path.stem)), eyes)


def _label(found: re.Match[str]) -> Label:
    """The label that a file name states."""
    known = found.groupdict()
    if "eye_class" in known:
        number = int(known["eye_class"])
        return Label(str((number + 1) // 2), "L" if number % 2 else "R")
    return Label(known["subject"], _EYES_IN_NAMES[known["eye"].upper()] if "eye" in known else "")


def _folders(names: Sequence[str]) -> tuple[list[str], set[str]]:
    """The folders that may be a subject's, and the eyes that folders name."""
    subjects: list[str] = []
    eyes: set[str] = set()
    for folder in names:
        name = folder
        both = _SUBJECT_AND_EYE.fullmatch(name)
        eye = _EYE_FOLDER.fullmatch(name)
        if eye:
            eyes.add(EYES[eye[1].upper()])
        elif both:
            eyes.add(EYES[(both[2] or both[4]).upper()])
            name = both[1] or both[3]
        if _DATA_SET.fullmatch(name):
            subjects.clear()  # a data set is not inside the folder of a subject
        elif not (eye or _SESSION.fullmatch(name) or _COLLECTION.fullmatch(name)):
            subjects.append(name)
    return subjects, eyes


def _same(folder: str, subject: str) -> bool:
    """Whether the folder of a subject has its number as name: 7, 007 or subject_007."""
    number = re.fullmatch(r"(?:[a-z]+[-_ ]?)?0*(\d+)", folder, re.IGNORECASE)
    return number is not None and number[1] == (subject.lstrip("0") or "0")


def _with_eye(label: Label, eyes: set[str]) -> Label | None:
    """`label` with the eye that folders name; None where it names the other."""
    eye = next(iter(eyes), label.eye)
    return Label(label.subject, eye) if label.eye in ("", eye) else None


def _eye_in(stem: str) -> str:
    """The eye that a part of a file name states, "" where none or both are."""
    found = [_EYE_IN_FILE.fullmatch(part) for part in re.split(r"[-_. ]", stem)]
    eyes = {EYES[eye[1].upper()] for eye in found if eye}
    return eyes.pop() if len(eyes) == 1 else ""


def _within_device(path: PurePosixPath) -> bool:
    """Whether the file lies in a folder of CASIA-Iris V2."""
    return any(re.fullmatch(r"device[12]", part, re.IGNORECASE) for part in path.parts[:-1])
