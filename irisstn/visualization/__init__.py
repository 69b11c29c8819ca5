"""Draw results: boundaries on a photograph, and inputs of a spatial transformer beside its outputs.

overlay         the boundaries of a segmentation on its photograph
side_by_side    what rectification did to one input
grids           inputs and outputs of any spatial transformer, for a batch of images
"""
