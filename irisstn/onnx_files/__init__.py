"""ONNX files of the project's networks, as programs without torch run them.

session    open a file in ONNX Runtime, after it is checked; needs the extra `onnx`
pruning    leave out what computes outputs that are not needed
metadata   what a file says about itself, without ONNX Runtime
protobuf   the encoding of a file
export     trace a network, and write the file; needs the extra `export`
graph      changes to a graph that torch's exporter cannot make
"""

from irisstn.onnx_files.session import OnnxNetwork, read_about

__all__ = ["OnnxNetwork", "read_about"]
