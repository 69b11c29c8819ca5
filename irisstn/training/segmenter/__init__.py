"""Training of the segmentation network of `irisstn.segmentation`, on rendered eyes only."""

from irisstn.training.segmenter.train import SegmenterConfig, train_segmenter

__all__ = ["SegmenterConfig", "train_segmenter"]
