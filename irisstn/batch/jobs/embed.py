"""`irisstn embed`: from a photograph, an iris ring or a strip to its embedding by the recognition network."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from irisstn.batch.jobs.input_kind import read_picture_as
from irisstn.batch.jobs.job import JobInput, JobResult, Process, one_torch_thread, weights_digest
from irisstn.batch.jobs.segment import segmentation_result, with_strip
from irisstn.config import Strict
from irisstn.files import write_bytes_atomic
from irisstn.images import MAX_PIXELS, decode_gray
from irisstn.networks import (
    Recognizer,
    RuntimeChoice,
    chosen_runtime,
    exported_digest,
    load_recognizer,
    load_rectifier,
    recognizer_files,
    require_runtime,
)
from irisstn.normalization import normalize
from irisstn.outputs.folder import EMBEDDINGS
from irisstn.outputs.manifest import manifest_digest, read_manifest
from irisstn.outputs.reader import read_embedding
from irisstn.outputs.records import Json, RecordFields, output_file
from irisstn.rectification.roll_setting import EMBEDDING_ROLL_PRIOR_DEG, RollMode
from irisstn.results import Strip
from irisstn.segmentation import InputKind, SegmentationConfig, weights_hash

if TYPE_CHECKING:
    from irisstn.rectification.rectifier_methods import RectifierMethods


class EmbedConfig(Strict):
    """Settings of `irisstn embed`."""

    input: InputKind = Field(
        default="auto", description="what the pictures are, as for `rectify`; strips are embedded as they are"
    )
    rectify: bool = Field(default=True, description="rectify the strips of eyes and rings before they are embedded")
    roll: RollMode = Field(
        default="auto", description="how much of the head's roll is corrected, as for `rectify`: auto, full or none"
    )
    roll_prior_deg: float = Field(
        default=EMBEDDING_ROLL_PRIOR_DEG,
        ge=0,
        le=45,
        description="for auto, as for `rectify`; larger here, because the network tolerates the errors of the reading, "
        "but not the roll of a tilted head",
    )
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, description="larger pictures are refused before decoding")
    runtime: RuntimeChoice = Field(
        default="auto", description="what runs the networks, as for `rectify`; embeddings differ by 1e-3 at most"
    )
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
    exported_sha256 : str or None
        For ONNX, the SHA-256 of the weights that `recognizer` was exported from, to which a calibration belongs.
    command : str
        The name of the command.
    """

    config: EmbedConfig
    recognizer: Path
    rectifier: Path | None
    weights_sha256: str
    rectifier_sha256: str | None
    exported_sha256: str | None = None
    command: str = "embed"

    @property
    def network_sha256(self) -> str:
        """The network to which a `Calibration` belongs, whatever runs it."""
        return self.exported_sha256 or self.weights_sha256

    @classmethod
    def of(cls, config: EmbedConfig, model: Path | None = None, *, command: str = "irisstn embed") -> EmbedJob:
        """The job with its weights.

        Parameters
        ----------
        config : EmbedConfig
            Its settings.
        model : Path, optional
            A file, or the folder of a training run, see `irisstn.networks.recognizer_files`; by default the networks
            that irisstn ships.
        command : str
            What needs the runtime, for the error where it is missing.

        Raises
        ------
        MissingExtraError
            The runtime is not installed.
        WeightsError
            A file cannot be read.
        """
        runtime = chosen_runtime(config.runtime, model)
        require_runtime(runtime, command)
        config = config.model_copy(update={"runtime": runtime})
        recognizer, rectifier = recognizer_files(model, runtime)
        used = rectifier if config.rectify else None
        return cls(
            config,
            recognizer.absolute(),
            used.absolute() if used is not None else None,
            weights_digest(recognizer),
            weights_digest(used) if used is not None else None,
            exported_digest(recognizer) if runtime == "onnx" else None,
        )

    def settings(self) -> dict[str, Json]:
        """Everything that the bytes of the outputs depend on, besides the inputs and the version."""
        exported = {} if self.exported_sha256 is None else {"exported_sha256": self.exported_sha256}
        return {
            "config": self.config.model_dump(mode="json"),
            "weights_sha256": self.weights_sha256,
            "rectifier_sha256": self.rectifier_sha256,
            "segmenter_sha256": weights_hash(),
            **exported,
        }

    @contextmanager
    def start(self) -> Iterator[Process]:
        """Load the weights; the context gives the function that processes one picture. Raises WeightsError."""
        weights_digest(self.recognizer, self.weights_sha256)
        if self.rectifier is not None:
            weights_digest(self.rectifier, self.rectifier_sha256)
        runtime = chosen_runtime(self.config.runtime, self.recognizer)
        network = load_recognizer(self.recognizer, runtime, threads=1)
        rectifier = None
        if self.rectifier is not None:
            rectifier = load_rectifier(self.rectifier, runtime, threads=1)
            rectifier = rectifier.with_roll(self.config.roll, self.config.roll_prior_deg)
        with one_torch_thread() if runtime == "torch" else nullcontext():
            yield lambda source: _embed(source, network, rectifier, self.config)


def _embed(
    source: JobInput, network: Recognizer, rectifier: RectifierMethods[Any] | None, config: EmbedConfig
) -> JobResult:
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
