"""The spatial transformer that rectifies iris strips.

`rectifier` is the class that users embed, and `rectifier_network` its network. `ring_context` and `context_tensors`
compute the network's input, `localization` estimates the transform, `roll` the roll of the head, `strip_sampling`
samples the result and `variants` varies it. `alignment` aligns a strip with a reference, and `onnx_export` writes a
file for programs without torch.
"""

from irisstn.rectification.ring_context import Context, context_of_eye, context_of_strip, eyelid_parabolas

__all__ = ["Context", "context_of_eye", "context_of_strip", "eyelid_parabolas"]
