"""`irisstn embed`: from a photograph, an iris ring or a strip to its embedding by the recognition network."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from irisstn.batch.jobs.input_kind import read_picture_as
from irisstn.batch.jobs.job import JobInput, JobResult, Process, one_torch_thread, weights_digest
from irisstn.batch.jobs.segment import segmentation_result, with_strip
from irisstn.config import Strict
from irisstn.extras import require_extra
from irisstn.files import write_bytes_atomic
from irisstn.images import MAX_PIXELS, decode_gray
from irisstn.normalization import normalize
from irisstn.outputs.folder import EMBEDDINGS
from irisstn.outputs.manifest import manifest_digest, read_manifest
from irisstn.outputs.reader import read_embedding
from irisstn.outputs.records import Json, RecordFields, output_file
from irisstn.rectification.roll_setting import RollMode
from irisstn.results import Strip
from irisstn.segmentation import InputKind, SegmentationConfig, weights_hash
from irisstn.weights import RECOGNIZER, RECTIFIER, SHIPPED

if TYPE_CHECKING:
    from irisstn.recognition import StripNet
    from irisstn.rectification.rectifier import Rectifier


class EmbedConfig(Strict):
    """Settings of `irisstn embed`."""

    input: InputKind = Field(
        default="auto", description="what the pictures are, as for `rectify`; strips are embedded as they are"
    )
    rectify: bool = Field(default=True, description="rectify the strips of eyes and rings before they are embedded")
    roll: RollMode = Field(
        default="full",
        description="how much of the head's roll is corrected, as for `rectify`; full, because the network tolerates "
        "the errors of the reading, but not the roll of a tilted head",
    )
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, description="larger pictures are refused before decoding")
    segmentation: SegmentationConfig = SegmentationConfig()


@dataclass(frozen=True, slots=True)
class EmbedJob:
    """`irisstn embed`, for `run_batch`; `EmbedJob.of` makes one.

    Attributes
    ----------
    config : EmbedConfig
        Its settings.
    recognizer : Path
        The weights file of the recognition network.
    rectifier : Path or None
        The weights file of the rectifier; None embeds strips that are not rectified.
    weights_sha256 : str
        The SHA-256 of `recognizer`.
    rectifier_sha256 : str or None
        The SHA-256 of `rectifier`.
    command : str
        The name of the command.
    """

    config: EmbedConfig
    recognizer: Path
    rectifier: Path | None
    weights_sha256: str
    rectifier_sha256: str | None
    command: str = "embed"

    @classmethod
    def of(cls, config: EmbedConfig, model: Path | None = None) -> EmbedJob:
        """The job with its weights.

        Parameters
        ----------
        config : EmbedConfig
            Its settings.
        model : Path, optional
            By default the networks that irisstn ships. A file is a recognition network, used with the shipped
            rectifier. The folder of a training run is used with the networks that it holds: both; the recognition
            network alone, without a rectifier; or the rectifier, with the shipped recognition network.

        Raises
        ------
        MissingExtraError
            Torch is not installed.
        WeightsError
            A file cannot be read.
        """
        require_extra("torch", "irisstn embed")
        run = SHIPPED if model is None else model
        recognizer, rectifier = (run / RECOGNIZER, run / RECTIFIER) if run.is_dir() else (run, SHIPPED / RECTIFIER)
        if run.is_dir() and not recognizer.exists() and rectifier.exists():
            recognizer = SHIPPED / RECOGNIZER
        used = rectifier if config.rectify and rectifier.exists() else None
        return cls(
            config,
            recognizer.absolute(),
            used.absolute() if used is not None else None,
            weights_digest(recognizer),
            weights_digest(used) if used is not None else None,
        )

    def settings(self) -> dict[str, Json]:
        """Everything that the bytes of the outputs depend on, besides the inputs and the version."""
        return {
            "config": self.config.model_dump(mode="json"),
            "weights_sha256": self.weights_sha256,
            "rectifier_sha256": self.rectifier_sha256,
            "segmenter_sha256": weights_hash(),
        }

    @contextmanager
    def start(self) -> Iterator[Process]:
        """Load the weights; the context gives the function that processes one picture. Raises WeightsError."""
        from irisstn.recognition import StripNet  # noqa: PLC0415  (imports torch, which is slow)
        from irisstn.rectification.rectifier import Rectifier  # noqa: PLC0415

        weights_digest(self.recognizer, self.weights_sha256)
        if self.rectifier is not None:
            weights_digest(self.rectifier, self.rectifier_sha256)
        network = StripNet.load(self.recognizer)
        rectifier = Rectifier.load(self.rectifier).with_roll(self.config.roll) if self.rectifier is not None else None
        with one_torch_thread():
            yield lambda source: _embed(source, network, rectifier, self.config)


def _embed(source: JobInput, network: StripNet, rectifier: Rectifier | None, config: EmbedConfig) -> JobResult:
    """Embed one picture of any kind."""
    image = decode_gray(source.data, max_pixels=config.max_pixels)
    read, kind = read_picture_as(source, image, config.input, config.segmentation, max_pixels=config.max_pixels)
    if isinstance(read, Strip):
        strip = read
        result = JobResult({"width": image.shape[1], "height": image.shape[0]}, {})
    else:
        strip = normalize(image, read) if rectifier is None else rectifier.rectify_eye(image, read).strip
        result = with_strip(segmentation_result(source.name, image, read, overlay=False), source.name, strip)
    content = io.BytesIO()
    np.save(content, network.embed(strip), allow_pickle=False)
    name = output_file("embedding", source.name)
    fields: RecordFields = {**result.fields, "input": kind, "embedding": name}
    return JobResult(fields, result.files | {name: content.getvalue()})


def gather_embeddings(out: Path) -> Path:
    """Write the embeddings of all inputs of a finished run into one file.

    Parameters
    ----------
    out : Path
        The output folder.

    Returns
    -------
    Path
        OUT/embeddings.npz, with the arrays `names` (N,) and `embeddings` (N, D) float32, and `manifest_sha256`, the
        `irisstn.outputs.manifest.manifest_digest` of what they were gathered from.

    Raises
    ------
    DatasetError
        The file of an embedding is missing or damaged.
    """
    names, embeddings = [], []
    for record in read_manifest(out):
        if record.get("status") == "ok":
            names.append(record["path"])
            embeddings.append(read_embedding(out, record))
    content = io.BytesIO()
    digest = np.array(manifest_digest(out))
    np.savez(content, names=np.array(names, str), embeddings=np.array(embeddings, np.float32), manifest_sha256=digest)
    write_bytes_atomic(out / EMBEDDINGS, content.getvalue(), durable=True)
    return out / EMBEDDINGS
