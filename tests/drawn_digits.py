"""Digits that OpenCV draws, for tests of the MNIST experiments."""

from pathlib import Path

import cv2
import numpy as np
from mnist_digits import SIDE


def draw_digits(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`n` digits (n, SIDE, SIDE) uint8, white on black, with random shift and scale, and their labels (n,) uint8."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, n)
    images = np.zeros((n, SIDE, SIDE), np.uint8)
    for image, label in zip(images, labels, strict=True):
        place = (int(random.integers(5, 9)), int(random.integers(21, 24)))
        cv2.putText(image, str(label), place, cv2.FONT_HERSHEY_SIMPLEX, random.uniform(0.6, 0.75), 255, 2, cv2.LINE_AA)
    return images, labels.astype(np.uint8)


def write_digits(path: Path) -> Path:
    """Write 320 training digits and 60 test digits in the layout of the MNIST file; returns `path`."""
    (x_train, y_train), (x_test, y_test) = draw_digits(320, 1), draw_digits(60, 2)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return path
