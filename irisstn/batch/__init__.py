"""Process folders of pictures: one runner for every folder command, with resume, workers and a record for each input.

inputs          finds the inputs
runner          runs a job on them and writes the output folder
collisions      refuses inputs whose files would overwrite others
task            one input, from its file to its outputs and its record
interruption    how a run, or an input that takes too long, is ended
process_pool    worker processes on this machine
ray_engine      worker processes on a Ray cluster
jobs/           what each command does to one input
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from irisstn.batch.inputs import find_inputs, out_folder
from irisstn.batch.ray_engine import Cluster
from irisstn.batch.runner import Summary, run_batch

if TYPE_CHECKING:
    from irisstn.batch.jobs.rectify import RectifyConfig, RectifyJob
    from irisstn.batch.jobs.segment import SegmentConfig, SegmentJob

__all__ = [
    "Cluster",
    "RectifyConfig",
    "RectifyJob",
    "SegmentConfig",
    "SegmentJob",
    "Summary",
    "find_inputs",
    "out_folder",
    "run_batch",
]

_MODULES = {
    "RectifyConfig": "irisstn.batch.jobs.rectify",
    "RectifyJob": "irisstn.batch.jobs.rectify",
    "SegmentConfig": "irisstn.batch.jobs.segment",
    "SegmentJob": "irisstn.batch.jobs.segment",
}


def __getattr__(name: str) -> object:
    """Import a job when it is first used: each command needs one of them."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
