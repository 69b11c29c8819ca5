"""Derive subject and eye of samples from the names of files and folders."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath

from irisstn.datasets.layouts import EYE_WORDS, EYES, LAYOUTS, ND, ND_REASON, ONLY_ON_REQUEST, Label, Layout

_EYE_FOLDER = re.compile(
    rf"({EYE_WORDS})(?:[-_ ]?(?:eyes?|iris(?:es)?|images?|imgs?|pictures?|photos?))?", re.IGNORECASE
)
_SUBJECT_AND_EYE = re.compile(rf"(?:(.+)[-_ ]({EYE_WORDS})|(\d+)([lr]))(?:[-_ ]?eye)?", re.IGNORECASE)  # 001_L, 1L
_EYE_AND_SUBJECT = re.compile(  # left_anna, OD_001; os_data is no left eye
    r"(left|right|(?:os|od)(?=[-_ ](?:eye[-_ ])?\d))(?:[-_ ]?eye)?[-_ ](.+)", re.IGNORECASE
)
_EYE_IN_FILE = re.compile(rf"(\d*)({EYE_WORDS})(?:eye)?\d*", re.IGNORECASE)

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
# Folders of the classes of another task, such as the detection of attacks or of diseases.
_CLASS = re.compile(
    r"live|real|bona[-_ ]?fide|genuine|fake|spoof(?:ed)?|attack|print(?:ed|out)?|replay|normal|healthy|diseased?"
    r"|cataract|glaucoma|diabetic|male|female|textured?|soft|clear|no[-_ ]?lens|(?:with|without)[-_ ]?(?:lens|glasses)"
    r"|(?:(?:cosmetic|colou?red|transparent|contact)[-_ ]?)?(?:contact(?:s|[-_ ]?lens(?:es)?)?|lens(?:es)?|glasses)"
    r"|cosmetic|colou?red|synthetic|printed[-_ ]?lens|post[-_ ]?mortem|dead|alive|imposters?|impostors?",
    re.IGNORECASE,
)
_KNOWN = dict.fromkeys(layout for key, layout in LAYOUTS.items() if key not in ONLY_ON_REQUEST)
_ANYWHERE = tuple(layout for layout in _KNOWN if layout.anywhere)
_NUMBERED = tuple(layout for layout in _KNOWN if not layout.anywhere)
_VARIANT = re.compile(r"\.v\d+$")

# Parts of the name of a file.
_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d(?:[-_ T][0-2]\d[-_.]?[0-5]\d[-_.]?[0-5]\d)?(?!\d)")
_PERSON = re.compile(r"(?:p|pid|id|sub|subj|subject|person|patient|participant|user|volunteer)\d+", re.IGNORECASE)
_CAPTURE = re.compile(
    r"(?:s|sess|session|v|visit|t|trial|n|no|nr|c|cap|capture|f|frame|i|img|image|pic|shot|scan|cam|camera)?\d*",
    re.IGNORECASE,
)
_NO_SUBJECT = re.compile(
    r"(?:img|image|eye|iris|pic|picture|photo|cap|capture|frame|shot|scan|strip|crop|sess|session|visit|trial|round"
    r"|day|take|run|batch|cam|camera|device|sensor|site)\d*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a name tells.

    Attributes
    ----------
    label : Label or None
        Subject and eye; None where no rule applies or names contradict each other.
    rule : str
        The rule that was used, or why there is no label.
    aside : tuple of str
        Folders that were taken to name neither subject nor eye.
    note : str
        What a user has to know about the rule; "" for nothing.
    number : str
        Another number in the name of the file that may be that of the subject; "" for none.
    """

    label: Label | None
    rule: str
    aside: tuple[str, ...] = ()
    note: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class _Folders:
    """Folders that may be the subject's, eyes that folders name, others, and whether one is of CASIA-Iris V2."""

    subjects: tuple[str, ...]
    eyes: frozenset[str]
    aside: tuple[str, ...]
    device: bool


def label_of(name: str) -> Label | None:
    """Derive subject and eye from the name of a sample.

    Four rules are tried in turn:

    1. File names that only one data set has (CASIA-Iris V3, V4 and Distance, UBIRIS.v2): in any folder.
    2. File names with a number of the subject (CASIA-Iris V1 and V2, IIT Delhi, MMU, UBIRIS.v1, UTIRIS,
       Warsaw-BioBase, `irisstn synth`): where no folder may be that of another subject.
    3. One folder that is the subject's, and an eye in a folder above or below it (L, left, OS or R, right, OD), in the
       folder's name (001_L, OD_001) or in that of the file (01_L.bmp, LeftEye_1.bmp).
    4. Without such a folder, a file name that begins with the subject and has an eye: p01_left_s1_02.

    Folders of sessions (session1, day2, 2024-05-31) and of collections (images, train, MMU2) are neither.
    `irisstn.datasets.read_identities` reads the names of a whole set and says what is doubtful.

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
    return read_name(name).label


def read_name(name: str) -> Reading:
    """Read the name of a sample as `label_of` does, and say how.

    Parameters
    ----------
    name : str
        As in `label_of`.

    Returns
    -------
    Reading
        The label, if there is one, and the rule.
    """
    path = PurePosixPath(_VARIANT.sub("", name))
    parts = (*path.parts[:-1], path.stem)
    folders = _folders(parts[:-1])
    for layout in _ANYWHERE:
        if (label := layout.label_of_parts(parts)) is not None:
            return _reading(layout, label, folders)
    if ND.fullmatch(path.stem):
        return Reading(None, ND_REASON)
    if len(folders.eyes) > 1:
        return Reading(None, "two folders name two eyes")
    for layout in (*_NUMBERED, LAYOUTS["casia-v2"]) if folders.device else _NUMBERED:
        if (label := layout.label_of_parts(parts)) is not None:
            if folders.subjects and not any(same_subject(folder, label.subject) for folder in folders.subjects):
                return Reading(None, f"the number in the file name, as in {layout.title}, is not that of the folder")
            number = "" if folders.subjects else _other_number(path.stem, label.subject)
            return replace(_reading(layout, _with_eye(label, folders.eyes), folders), number=number)
    return _by_folders_or_file(path, folders)


def _reading(layout: Layout, label: Label | None, folders: _Folders) -> Reading:
    if label is None:
        return Reading(None, "folder and file name two eyes")
    other = [folder for folder in folders.subjects if not same_subject(folder, label.subject)]
    return Reading(label, layout.title, (*folders.aside, *other), layout.note)


def _by_folders_or_file(path: PurePosixPath, folders: _Folders) -> Reading:
    """Rules 3 and 4 of `label_of`."""
    if len(folders.subjects) > 1:
        return Reading(None, "two folders could be the subject's")
    in_file, number = _subject_in_file(path.stem), ""
    if folders.subjects:
        subject = folders.subjects[0]
        if in_file and _PERSON.fullmatch(in_file.subject) and not same_subject(subject, in_file.subject):
            return Reading(None, "folder and file name could each name the subject")
        label = _with_eye(Label(subject, _eye_in(path.stem)), folders.eyes)
        where = "folder SUBJECT, eye in a name" if label and label.eye else "folder SUBJECT, no eye"
    elif in_file:
        label, where = _with_eye(in_file, folders.eyes), "file name SUBJECT_EYE_..."
        number = _other_number(path.stem, in_file.subject)
    else:
        return Reading(None, "no folder is a subject's, and the file name follows no known rule")
    if label is None:
        return Reading(None, "folder and file name two eyes")
    return Reading(label, where, folders.aside, number=number)


@lru_cache(maxsize=1 << 14)
def _folders(names: tuple[str, ...]) -> _Folders:
    """What the folders of a path may name."""
    subjects: list[str] = []
    eyes: set[str] = set()
    aside: list[str] = []
    for folder in names:
        name = folder
        both = _SUBJECT_AND_EYE.fullmatch(name)
        eye = _EYE_FOLDER.fullmatch(name)
        eye_first = _EYE_AND_SUBJECT.fullmatch(name)
        if eye:
            eyes.add(EYES[eye[1].upper()])
        elif both:
            eyes.add(EYES[(both[2] or both[4]).upper()])
            name = both[1] or both[3]
        elif eye_first:
            eyes.add(EYES[eye_first[1].upper()])
            name = eye_first[2]
        if _DATA_SET.fullmatch(name):
            aside += [*subjects, folder]
            subjects.clear()  # a data set is not inside the folder of a subject
        elif _SESSION.fullmatch(name) or _COLLECTION.fullmatch(name) or _CLASS.fullmatch(name):
            aside.append(folder)
        elif not eye:
            subjects.append(name)
    device = any(re.fullmatch(r"device[12]", name, re.IGNORECASE) for name in names)
    return _Folders(tuple(subjects), frozenset(eyes), tuple(aside), device)


@lru_cache(maxsize=1 << 14)
def same_subject(folder: str, subject: str) -> bool:
    """Whether the folder of a subject has its number as name: 7, 007, P7 or subject_007."""
    numbers = [re.fullmatch(r"(?:[a-z]+[-_ ]?)?0*(\d+)", text, re.IGNORECASE) for text in (folder, subject)]
    return folder == subject or (all(numbers) and len({number[1] for number in numbers if number}) == 1)


def _with_eye(label: Label, eyes: frozenset[str]) -> Label | None:
    """`label` with the eye that folders name; None where it names the other."""
    eye = next(iter(eyes), label.eye)
    return Label(label.subject, eye) if label.eye in ("", eye) else None


def _eye_in(stem: str) -> str:
    """The eye that a part of a file name states, "" where none or both are."""
    found = [_EYE_IN_FILE.fullmatch(part) for part in re.split(r"[-_. ]", stem)]
    eyes = {EYES[eye[2].upper()] for eye in found if eye}
    return eyes.pop() if len(eyes) == 1 else ""


def _parts_of_file(stem: str) -> list[str]:
    """The parts of a file name, without dates, and with subject_01 as subject01."""
    parts = [part for part in re.split(r"[-_. ]+", _DATE.sub("_", stem)) if part]
    if len(parts) > 1 and re.fullmatch(
        r"(?:p|pid|id|sub|subj|subject|person|patient|participant|user)", parts[0], re.I
    ):
        parts[:2] = ["".join(parts[:2])]
    return parts


def _subject_in_file(stem: str) -> Label | None:
    """Subject and eye of a file name that begins with the subject and names an eye, like p01_left_s1_02; else None.

    Every other part must be a number or that of a session or capture. Where the name begins like a file of a data set
    (S4001D01_left), the subject is that of the data set.
    """
    parts = _parts_of_file(stem)
    eyes = [(place, eye) for place, part in enumerate(parts) if (eye := _EYE_IN_FILE.fullmatch(part))]
    if len(eyes) != 1:
        return None
    place, eye = eyes[0]
    subject = parts[0] if place else eye[1]
    others = parts[1:place] + parts[place + 1 :]
    if not subject or _NO_SUBJECT.fullmatch(subject) or not all(_CAPTURE.fullmatch(part) for part in others):
        return None
    known = next((label for layout in _ANYWHERE if (label := layout.label_of_parts((subject,))) is not None), None)
    return Label(known.subject if known else subject, EYES[eye[2].upper()])


def _other_number(stem: str, subject: str) -> str:
    """The number in a file name that may be the subject's in place of `subject`, with which the name begins.

    One before the eye (H1_001_L_1), or the first of several after it (H1_L_001_1).
    """
    parts = _parts_of_file(stem)
    places = [place for place, part in enumerate(parts) if _EYE_IN_FILE.fullmatch(part)]
    if len(places) != 1 or _PERSON.fullmatch(subject):
        return ""
    before, after = ([part for part in some if part.isdecimal()] for some in (parts[1 : places[0]], parts[places[0] :]))
    return before[0] if before else after[0] if len(after) > 1 else ""
