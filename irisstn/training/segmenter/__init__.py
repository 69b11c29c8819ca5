"""Training of the network that `irisstn.segmentation` looks with, on rendered eyes alone."""

from irisstn.training.segmenter.train import SegmenterConfig, train_segmenter

__all__ = ["SegmenterConfig", "train_segmenter"]
