"""The spatial transformer that rectifies iris strips.

rectifier          the class that users embed; rectifier_network, its network
onnx_rectifier     the same without torch
rectifier_methods  what both do with strips and photographs; rectified, the result
rectifier_config   shape and bounds
eye_batch          photographs or strips as tensors; collate, the same in a DataLoader; strip_arrays, arrays as strips
ring_context       the network's input; context_tensors, the same with gradients
localization       estimates the transform
roll               the roll of the head; roll_setting, how much of it is corrected
strip_sampling     samples the result; variants varies it
alignment          aligns a strip with a reference
onnx_export        writes a file for programs without torch
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irisstn.extras import import_public
from irisstn.rectification.ring_context import Context, context_of_eye, context_of_strip, eyelid_parabolas
from irisstn.rectification.roll_setting import EMBEDDING_ROLL_PRIOR_DEG

if TYPE_CHECKING:
    from irisstn.rectification.onnx_export import export_rectifier

__all__ = [
    "EMBEDDING_ROLL_PRIOR_DEG",
    "Context",
    "context_of_eye",
    "context_of_strip",
    "export_rectifier",
    "eyelid_parabolas",
]


def __getattr__(name: str) -> object:
    """Import the exporter, and torch with it, when it is first used."""
    if name != "export_rectifier":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_public("irisstn.rectification.onnx_export", name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
