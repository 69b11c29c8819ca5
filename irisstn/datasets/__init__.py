"""Find samples in folders, lists and globs; derive subject and eye from their names; split samples by subject."""

from irisstn.datasets.labels import read_labels, split_by_subject
from irisstn.datasets.naming import Label, label_of
from irisstn.datasets.samples import LISTS, NOT_SOURCES, Sample, find_images, kind_of_file, passed_over_text

__all__ = [
    "LISTS",
    "NOT_SOURCES",
    "Label",
    "Sample",
    "find_images",
    "kind_of_file",
    "label_of",
    "passed_over_text",
    "read_labels",
    "split_by_subject",
]
