"""Training of the segmentation network of `irisstn.segmentation`, on rendered eyes only."""

from irisstn.extras import extra_named

with extra_named():  # the module imports torch
    from irisstn.training.segmenter.train import SegmenterConfig, train_segmenter

__all__ = ["SegmenterConfig", "train_segmenter"]
