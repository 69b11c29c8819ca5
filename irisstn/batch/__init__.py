"""Folders of pictures: one runner for every folder command, with a manifest, resume and workers."""

from irisstn.batch.records import read_segmentation
from irisstn.batch.run import Summary, run_batch
from irisstn.batch.segment import SegmentConfig, SegmentJob

__all__ = ["SegmentConfig", "SegmentJob", "Summary", "read_segmentation", "run_batch"]
