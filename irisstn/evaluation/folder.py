"""Error rates of the strips in an output folder of `irisstn segment` or `irisstn rectify`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from irisstn.datasets import Label, label_of
from irisstn.errors import DatasetError
from irisstn.evaluation.error_rates import ErrorRates
from irisstn.evaluation.evaluate import evaluate_codes
from irisstn.normalization import Strip
from irisstn.outputs import read_manifest, read_strip


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """The strips (N) of a folder and whose they are, `labels` (N); `failed` = the labels of what gave no strip."""

    strips: tuple[Strip, ...]
    labels: tuple[Label, ...]
    failed: tuple[Label, ...]


def read_enrolment(out: Path, labels: Mapping[str, Label] | None = None) -> Enrolment:
    """Every input of the folder `out`, enrolled or failed; variants written by `--augment` are left out.

    Whose eye an input shows comes from `labels` by its path, else from its name and folders by
    `irisstn.datasets.label_of`. Raises DatasetError where that is not known, or nothing was enrolled.
    """
    strips, enrolled, failed = [], [], []
    for record in read_manifest(out):
        if "variant_of" in record:
            continue
        name = str(record["path"])
        label = labels.get(name) if labels is not None else label_of(name)
        if label is None:
            raise DatasetError(f"whose eye is {name}? give a CSV of labels, or name it SUBJECT/EYE/file")
        if record.get("status") == "ok":
            strips.append(read_strip(out, record))
            enrolled.append(label)
        else:
            failed.append(label)
    if not strips:
        raise DatasetError(f"{out} holds no strip")
    return Enrolment(tuple(strips), tuple(enrolled), tuple(failed))


def evaluate_folder(
    out: Path, *, max_shift: int = 0, labels: Mapping[str, Label] | None = None, resamples: int = 1000
) -> ErrorRates:
    """Error rates of the plain iris code on the strips of the folder `out`, failures to enrol counted in.

    `max_shift` columns of 1.4 degrees are searched to either side; 0 = one single comparison.
    """
    enrolment = read_enrolment(out, labels)
    return evaluate_codes(
        enrolment.strips,
        [_eye(label) for label in enrolment.labels],
        max_shift=max_shift,
        subjects=[label.subject for label in enrolment.labels],
        failed=[_eye(label) for label in enrolment.failed],
        resamples=resamples,
    )


def _eye(label: Label) -> str:
    return f"{label.subject}/{label.eye}"
