"""The metadata of an ONNX file, read from its bytes without loading the network.

Field 14 of an ONNX model is `metadata_props`, one field for each entry, with the name in its field 1 and the value in
its field 2 (https://onnx.ai/onnx/repo-docs/IR.html).
"""

from __future__ import annotations

from irisstn.onnx_files.protobuf import fields

_METADATA, _NAME, _VALUE = 14, 1, 2


def onnx_metadata(content: bytes) -> dict[str, str]:
    """The metadata that an ONNX file holds.

    Parameters
    ----------
    content : bytes
        The file.

    Returns
    -------
    dict of str to str
        Values by name.

    Raises
    ------
    ValueError
        Where the bytes are no protocol buffer.
    """
    entries = [_strings(value) for number, _, value in fields(memoryview(content)) if number == _METADATA]
    return {entry.get(_NAME, ""): entry.get(_VALUE, "") for entry in entries}


def _strings(message: memoryview) -> dict[int, str]:
    return {number: str(value, "utf-8") for number, _, value in fields(message)}
