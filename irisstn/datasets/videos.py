"""The frames of a video file as pictures: `clip.avi` becomes the samples clip.avi/000000, clip.avi/000030 and so on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from irisstn.datasets.samples import VIDEO_SUFFIXES, Sample
from irisstn.errors import DatasetError
from irisstn.gray_levels import to_gray
from irisstn.images import MAX_PIXELS, MAX_SIDE, write_png

MOST_FRAMES = 20_000  # of one video; they are written to a temporary folder
_DIGITS = 6
_COUNT_TOLERANCE = 2  # frames by which the number in the header of an intact file may be too large
_BACKENDS = (cv2.CAP_FFMPEG, cv2.CAP_OPENCV_MJPEG)


def is_video(source: str | Path) -> bool:
    """Whether a source is a file with the suffix of a video."""
    return Path(source).suffix.lower() in VIDEO_SUFFIXES and Path(source).is_file()


def video_frames(paths: Sequence[Path], folder: Path, *, every: int = 1, max_pixels: int = MAX_PIXELS) -> list[Sample]:
    """Decode videos, from their beginnings, and write their frames as pictures.

    A position within a video is not sought: many formats return another frame than the one that was asked for.

    Parameters
    ----------
    paths : sequence of Path
        Video files that OpenCV decodes.
    folder : Path
        Where the pictures are written to, as PNG of 8-bit gray.
    every : int
        Of each video, the frames 0, `every`, 2 `every` and so on are taken.
    max_pixels : int
        Limit of the pixels of a frame.

    Returns
    -------
    list of Sample
        The frames, named by the file and the number of the frame, which does not depend on `every`. Where a video
        breaks off, cannot be opened or is over a limit, the last one is a sample that has `failed` with that reason.
        The last frame of a video with fewer frames than its header says is left out, because it may be damaged.

    Raises
    ------
    DatasetError
        Where two videos have the same file name, or the temporary folder cannot be written to.
    ValueError
        Where `every` is below 1.
    """
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    names = [path.name for path in paths]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DatasetError(f"two videos are named {twice}: process them into two output folders")
    # FFmpeg prints what it thinks of a damaged file; the reason stands in the record.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    return [sample for path in paths for sample in _frames(path, folder, every, max_pixels)]


def _frames(path: Path, folder: Path, every: int, max_pixels: int) -> list[Sample]:
    """The samples of one video."""
    capture = _opened(path)
    if capture is None:
        return [
            _failed(path, folder, 0, "OpenCV cannot open the video: it is damaged, or of a kind that is not decoded")
        ]
    samples: list[Sample] = []
    number, failed = 0, None
    try:
        size = [int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
        if size[0] * size[1] > max_pixels or max(size) > MAX_SIDE:
            return [
                _failed(path, folder, 0, f"frames of {size[0]}x{size[1]} pixels are over the limit of {max_pixels}")
            ]
        while failed is None and capture.grab():
            if number % every == 0 and len(samples) == MOST_FRAMES:
                failed = f"more than {MOST_FRAMES} frames: take every second, tenth or so with --every"
            elif number % every == 0:
                name = _name(path, number)
                write_png(folder / f"{name}.png", to_gray(capture.retrieve()[1]))
                samples.append(Sample(name, folder / f"{name}.png"))
            number += failed is None
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    except OSError as error:
        raise DatasetError(f"frames of {path} cannot be written to {folder}: {error.strerror or error}") from None
    except (ValueError, cv2.error):  # there is no frame, or one of another kind than 8 or 16 bits
        failed, count = f"frame {number} cannot be decoded", 0
    finally:
        capture.release()
    if failed is None and number == 0:
        failed = "the video holds no frame that OpenCV decodes"
    elif failed is None and number < count:
        number -= 1  # decoders complete the frame in which a file ends with what stood there before
        samples = [sample for sample in samples if sample.name != _name(path, number)]
        if number + 1 + _COUNT_TOLERANCE < count:
            failed = f"the video breaks off after {number} whole frames of {count}"
    following = -(-number // every) * every  # the next frame that would have been taken: a whole video replaces it
    return samples if failed is None else [*samples, _failed(path, folder, following, failed)]


def _opened(path: Path) -> Any:
    """The decoder of a file; None where there is none."""
    for backend in _BACKENDS:
        try:
            capture = cv2.VideoCapture(str(path.absolute()), backend)
        except cv2.error:
            continue
        if capture.isOpened():
            return capture
        capture.release()
    return None


def _failed(path: Path, folder: Path, number: int, reason: str) -> Sample:
    name = _name(path, number)
    return Sample(name, folder / f"{name}.png", failed=f"{path}: {reason}")


def _name(path: Path, number: int) -> str:
    return f"{path.name}/{number:0{_DIGITS}}"
