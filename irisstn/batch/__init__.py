"""Folders of pictures: one runner for every folder command, with a manifest, resume and workers."""

from irisstn.batch.inputs import find_inputs, out_folder
from irisstn.batch.ray_cluster import Cluster
from irisstn.batch.records import read_segmentation
from irisstn.batch.run import Summary, run_batch
from irisstn.batch.segment import SegmentConfig, SegmentJob

__all__ = [
    "Cluster",
    "SegmentConfig",
    "SegmentJob",
    "Summary",
    "find_inputs",
    "out_folder",
    "read_segmentation",
    "run_batch",
]
