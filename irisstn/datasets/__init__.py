"""Find samples in folders, lists and globs; derive subject and eye from their names; split samples by subject."""

from irisstn.datasets.identities import Identities, read_identities
from irisstn.datasets.identity_alarms import Alarm
from irisstn.datasets.label_tables import holds_identities
from irisstn.datasets.labels import match_labels, read_labels, split_by_subject
from irisstn.datasets.layouts import LAYOUTS, Label, layout_of
from irisstn.datasets.naming import label_of
from irisstn.datasets.samples import LISTS, NOT_SOURCES, Sample, find_images, kind_of_file, passed_over_text

__all__ = [
    "LAYOUTS",
    "LISTS",
    "NOT_SOURCES",
    "Alarm",
    "Identities",
    "Label",
    "Sample",
    "find_images",
    "holds_identities",
    "kind_of_file",
    "label_of",
    "layout_of",
    "match_labels",
    "passed_over_text",
    "read_identities",
    "read_labels",
    "split_by_subject",
]
