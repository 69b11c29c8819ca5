"""Process folders of pictures: one runner for every folder command, with resume, workers and a record for each input.

inputs          finds the inputs
runner          runs a job on them and writes the output folder
task            one input, from its file to its outputs and its record
process_pool    worker processes on this machine
ray_engine      worker processes on a Ray cluster
jobs/           what each command does to one input
"""

from irisstn.batch.inputs import find_inputs, out_folder
from irisstn.batch.jobs.rectify import RectifyConfig, RectifyJob
from irisstn.batch.jobs.segment import SegmentConfig, SegmentJob
from irisstn.batch.ray_engine import Cluster
from irisstn.batch.runner import Summary, run_batch

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
