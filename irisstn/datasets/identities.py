"""The identities of a whole set of samples: how they were read, how many there are, and what is doubtful."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from irisstn.datasets.identity_alarms import Alarm, alarms_of
from irisstn.datasets.labels import match_labels_by, read_labels
from irisstn.datasets.layouts import Label, Layout, layout_of
from irisstn.datasets.naming import Reading, read_name
from irisstn.errors import DatasetError

Use = Literal["matching", "evaluation", "training"]
_EXAMPLES = 5
_TRIED = 500  # names by which it is decided which folders are left aside
_SHOWN = 3  # alarms in an error


@dataclass(frozen=True, eq=False)  # without slots, for the cached counts
class Identities:
    """The identities of the samples of a set.

    Attributes
    ----------
    readings : dict of str to Reading
        How each sample's name was read, by the sample's path below its source.
    alarms : tuple of Alarm
        What is wrong or doubtful, the worst first.
    """

    readings: dict[str, Reading]
    alarms: tuple[Alarm, ...]

    @cached_property
    def labels(self) -> dict[str, Label]:
        """Subject and eye by the sample's path; samples whose identity is not known are left out."""
        return {name: reading.label for name, reading in self.readings.items() if reading.label is not None}

    @cached_property
    def rules(self) -> Counter[str]:
        """How many samples were read by each rule; those whose identity is not known are left out."""
        return Counter(reading.rule for reading in self.readings.values() if reading.label is not None)

    @cached_property
    def captures(self) -> Counter[Label]:
        """The number of samples of each eye."""
        return Counter(self.labels.values())

    @property
    def persons(self) -> int:
        """The number of subjects."""
        return len({label.subject for label in self.captures})

    def examples(self) -> list[tuple[str, Label | None]]:
        """Five samples, evenly spread, with their identities."""
        names = sorted(self.readings)
        places = sorted({len(names) * number // _EXAMPLES for number in range(_EXAMPLES)}) if names else []
        return [(names[place], self.readings[names[place]].label) for place in places]

    def spread(self) -> str:
        """How many pictures there are of each eye, in words; nothing without eyes."""
        counts = list(self.captures.values())
        if not counts:
            return ""
        least, most = min(counts), max(counts)
        range_of = f"{least} to {most}" if least < most else f"{most}"
        return f"{range_of} picture{'s' * (most != 1)} of each"

    def summary(self) -> str:
        """What was read, in one line."""
        unknown = len(self.readings) - len(self.labels)
        rules = ", ".join(rule for rule, _ in self.rules.most_common(2)) or "no rule"
        parts = [
            f"{self.persons} persons",
            f"{len(self.captures)} eyes",
            self.spread(),
            f"unknown: {unknown}" if unknown else "",
        ]
        doubts = f"; {len(self.alarms)} alarm{'s' * (len(self.alarms) != 1)}" if self.alarms else ""
        return f"identities ({rules}): {', '.join(part for part in parts if part)}{doubts}"

    def lines(self) -> list[str]:
        """The summary and the first alarms, a line each."""
        shown = [f"Warning: {alarm.text}" for alarm in self.alarms[:_SHOWN]]
        more = len(self.alarms) - len(shown)
        rest = [f"Warning: {more} more; irisstn identities shows them"] if more else []
        return [self.summary(), *shown, *rest]

    def as_dict(self) -> dict[str, object]:
        """All of it, for JSON."""
        counts = sorted(self.captures.values()) or [0]
        return {
            "rules": dict(self.rules),
            "pictures": len(self.readings),
            "unknown": len(self.readings) - len(self.labels),
            "persons": self.persons,
            "eyes": len(self.captures),
            "left": sum(label.eye == "L" for label in self.captures),
            "right": sum(label.eye == "R" for label in self.captures),
            "captures_per_eye": {"least": counts[0], "median": counts[len(counts) // 2], "most": counts[-1]},
            "examples": [
                {"path": name, "subject": label.subject if label else None, "eye": label.eye if label else None}
                for name, label in self.examples()
            ],
            "alarms": [{"level": alarm.level, "text": alarm.text} for alarm in self.alarms],
        }

    def require_sound(self, use: Use) -> None:
        """Refuse identities that are surely wrong or, but for matching, cannot be used.

        Raises
        ------
        DatasetError
            With the reasons and what to do.
        """
        levels = ("wrong",) if use == "matching" else ("wrong", "unusable")
        refused = [alarm for alarm in self.alarms if alarm.level in levels]
        if refused:
            raise DatasetError(
                f"{'; '.join(alarm.text for alarm in refused[:_SHOWN])} "
                "(irisstn identities shows how the names are read; --labels or --layout says it)"
            )


def read_identities(names: Sequence[str], *, labels: Path | None = None, layout: str | None = None) -> Identities:
    """Read the identities of the samples of a set.

    Without `labels` and `layout`, folders that all names have in common may be left aside, where more names can be read
    so: they are not the folder of one subject.

    Parameters
    ----------
    names : sequence of str
        Paths of the samples below their source, with "/".
    labels : Path, optional
        A CSV or XML file of identities, see `read_labels`.
    layout : str, optional
        The name of a known layout, or a pattern, see `layout_of`.

    Returns
    -------
    Identities
        How each name was read, and alarms.

    Raises
    ------
    DatasetError
        `labels` cannot be read, `layout` is unknown, or both are given.

    Examples
    --------
    >>> read_identities(["7/L/1.png", "7/R/1.png", "8/L/1.png"]).summary()
    'identities (folder SUBJECT, eye in a name): 2 persons, 3 eyes, 1 picture of each; 1 alarm'
    """
    if labels is not None and layout is not None:
        raise DatasetError("give --labels or --layout, not both")
    names = list(dict.fromkeys(names))
    if labels is not None:
        found, by_file_name = match_labels_by(names, read_labels(labels))
        rule = f"{labels.name}, by file name" if by_file_name else labels.name
        readings = {
            name: Reading(label, rule) if label else Reading(None, f"{labels.name} does not list it")
            for name, label in found.items()
        }
    elif layout is not None:
        chosen = layout_of(layout)
        readings = {name: _read_as(chosen, name) for name in names}
    else:
        readings = _read_names(names)
    return Identities(readings, alarms_of(readings, given=labels is not None or layout is not None))


def _read_as(layout: Layout, name: str) -> Reading:
    label = layout.label(PurePosixPath(name))
    if label is None:
        return Reading(None, f"{layout.title} does not fit it")
    return Reading(label, layout.title, note=layout.note)


def _read_names(names: Sequence[str]) -> dict[str, Reading]:
    """Read `names` whole or without some folders that all have in common, whichever leaves fewer unknown."""
    folders = [name.split("/")[:-1] for name in names]
    common = 0
    while folders and all(len(parts) > common and parts[common] == folders[0][common] for parts in folders):
        common += 1
    tried = names[:: max(1, len(names) // _TRIED)]
    cut = min(range(common + 1), key=lambda cut: sum(_read_without(cut, name).label is None for name in tried))
    return {name: _read_without(cut, name) for name in names}


def _read_without(cut: int, name: str) -> Reading:
    """How `name` is read without its first `cut` folders."""
    return read_name(name.split("/", cut)[cut])
