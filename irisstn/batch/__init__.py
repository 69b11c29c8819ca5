"""Folders of pictures: one runner for every folder command, with a manifest, resume and workers."""

from irisstn.batch.inputs import find_inputs, out_folder
from irisstn.batch.jobs.segment import SegmentConfig, SegmentJob
from irisstn.batch.ray_engine import Cluster
from irisstn.batch.runner import Summary, run_batch

__all__ = [
    "Cluster",
    "SegmentConfig",
    "SegmentJob",
    "Summary",
    "find_inputs",
    "out_folder",
    "run_batch",
]
