"""Compare the irises of two pictures, each processed as `irisstn embed` processes it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from irisstn.batch.jobs.embed import EmbedConfig, EmbedJob
from irisstn.batch.jobs.job import JobInput, Process
from irisstn.errors import IrisError
from irisstn.images import decode_gray, read_file
from irisstn.iris_code import encode
from irisstn.outputs.records import RecordFields
from irisstn.quality import Quality
from irisstn.recognition.calibration import CODE_SHIFTS, IRIS_CODE, Calibration
from irisstn.recognition.comparison import Comparison, compare, compare_codes, quality_doubts
from irisstn.results import Confidence, Strip

STRIP_DOUBT = "a strip, of unknown quality"


@dataclass(frozen=True, slots=True)
class _Eye:
    """What is compared of a picture."""

    embedding: NDArray[np.float32]
    strip: Strip
    doubts: tuple[str, ...]


def compare_pictures(
    a: Path,
    b: Path,
    *,
    by: Literal["code", "embedding"] = "embedding",
    max_shift: int = CODE_SHIFTS,
    config: EmbedConfig = EmbedConfig(),
    model: Path | None = None,
) -> Comparison:
    """Compare the irises of two pictures.

    Parameters
    ----------
    a, b : Path
        Pictures of eyes, iris rings or strips.
    by : {"embedding", "code"}
        What is compared: embeddings, or the iris codes of the rectified strips.
    max_shift : int
        For codes: columns of 1.4 degrees that are searched to either side, 0..16.
    config : EmbedConfig
        How pictures are processed.
    model : Path, optional
        As for `EmbedJob.of`; a run must hold a calibration.

    Returns
    -------
    Comparison
        Similarity, false match rate, likelihood ratio and decision; undecided where a picture is of low quality.

    Raises
    ------
    IrisError
        Where a picture cannot be read or shows no iris; the reason begins with its path.
    WeightsError
        Where weights or calibration cannot be read.
    """
    job = EmbedJob.of(config, model, command="irisstn match")
    digest = IRIS_CODE if by == "code" else job.network_sha256
    calibration = Calibration.load_beside(None if by == "code" else model, recognizer_sha256=digest)
    with job.start() as process:
        first, second = (_eye_of(path, process, config) for path in (a, b))
    doubts = named_doubts((a, first.doubts), (b, second.doubts))
    if by == "code":
        codes = encode(first.strip), encode(second.strip)
        return compare_codes(*codes, max_shift=max_shift, calibration=calibration, doubts=doubts)
    return compare(first.embedding, second.embedding, calibration=calibration, doubts=doubts)


def named_doubts(*pictures: tuple[Path, Sequence[str]]) -> list[str]:
    """The doubts about pictures, each with the name of its file, or its path where names are the same."""
    plain = len({path.name for path, _ in pictures}) == len(pictures)
    return [f"{path.name if plain else path}: {doubt}" for path, doubts in pictures for doubt in doubts]


def _eye_of(path: Path, process: Process, config: EmbedConfig) -> _Eye:
    """Read and process a picture. Raises IrisError."""
    try:
        data = read_file(path)
        result = process(JobInput(path.name, data))
        record = result.fields
        embedding = np.load(io.BytesIO(result.files[record["embedding"]]), allow_pickle=False)
        if "strip" not in record:
            image = decode_gray(data, max_pixels=config.max_pixels)
            return _Eye(embedding, Strip(image, np.ones(image.shape, bool)), (STRIP_DOUBT,))
    except IrisError as error:
        raise IrisError(f"{path}: {error.reason}", stage=error.stage) from None
    image, mask = (decode_gray(result.files[record[name]]) for name in ("strip", "strip_mask"))
    return _Eye(embedding, Strip(image, mask > 0), record_doubts(record))


def record_doubts(record: RecordFields) -> tuple[str, ...]:
    """What speaks against trusting a picture that was segmented."""
    quality = Quality(**{field.name: float(record["quality"][field.name]) for field in fields(Quality)})
    trust = record.get("trust")
    confidence = None if trust is None else Confidence(float(trust), 0.0, 0.0, int(record.get("eyes_seen", 1)))
    return quality_doubts(quality, confidence)
