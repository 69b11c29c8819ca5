"""Training data: rendered eyes or image folders, boundary errors, augmentation, batches."""
