"""What training batches are made of: rendered eyes or image folders, boundary errors, augmentation."""
