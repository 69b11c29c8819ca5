"""The weights that irisstn ships, each with a card that says what it was trained on."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "CALIBRATION",
    "CODE_CALIBRATION",
    "MAX_BYTES",
    "ONNX_RECOGNIZER",
    "ONNX_RECTIFIER",
    "RECOGNIZER",
    "RECTIFIER",
    "SEGMENTER",
    "SHIPPED",
]

SHIPPED = Path(__file__).parent
SEGMENTER = "segmenter.onnx"
RECTIFIER = "rectifier.safetensors"  # also in the folder of a training run
RECOGNIZER = "recognizer.safetensors"  # the same
ONNX_RECTIFIER, ONNX_RECOGNIZER = "rectifier.onnx", "recognizer.onnx"  # the same two for ONNX Runtime
MAX_BYTES = 64 << 20  # of a weights file
CALIBRATION = "recognizer.json"  # of that recogniser: see irisstn.recognition.Calibration
CODE_CALIBRATION = "iris_code.json"  # of the plain iris code
