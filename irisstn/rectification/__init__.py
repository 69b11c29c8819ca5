"""This project's own subject: the STN that straightens iris strips, and what it looks at.

`ring_context` is what the network sees, `localization` the network, `roll` how far a head is turned, `rectifier` the
module that people embed, `alignment` the turn onto a reference, `onnx_export` the file for pipelines without torch.
"""

from irisstn.rectification.ring_context import Context, context_of_eye, context_of_strip, lid_parabolas

__all__ = ["Context", "context_of_eye", "context_of_strip", "lid_parabolas"]
