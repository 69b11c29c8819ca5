"""The recognition network as an ONNX file, for programs without torch.

    from irisstn.recognition.onnx_export import export_recognizer
    export_recognizer(StripNet.load(), Path("recognizer.onnx"))

The file computes `StripNet.forward` for strips of the network's own size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from irisstn.extras import require_extra
from irisstn.onnx_files.export import Run, output_difference, traced_model, write_checked
from irisstn.recognition.network import StripNet

INPUTS, OUTPUTS = ("strip", "usable"), ("embedding",)


def export_recognizer(network: StripNet, path: Path) -> float:
    """Write a recognition network to an ONNX file, atomically.

    Parameters
    ----------
    network : StripNet
        The network. It is not changed.
    path : Path
        The file.

    Returns
    -------
    float
        Largest difference between ONNX Runtime and PyTorch in any number of an embedding.

    Raises
    ------
    MissingExtraError
        Where a package is missing.
    OutputError
        Where the file cannot be written.
    RuntimeError
        Where ONNX Runtime and PyTorch differ by more than a gray level would be. Nothing is written.

    Notes
    -----
    The inputs and the output are of float32, for batches of any length B.

    strip : shape (B, 1, R, T)
        Input. Rectified strips of the network's size (`StripNetConfig.size`), gray levels in 0..1. Reduce larger ones
        by means over the usable pixels of each cell, as `irisstn.OnnxRecognizer` does.
    usable : shape (B, 1, R, T)
        Input. 1 on usable cells, 0 elsewhere.
    embedding : shape (B, D)
        Output. Embeddings of length 1, which are compared by their cosine.
    """
    require_extra("export", "irisstn export")
    whole = StripNet(network.config)  # a copy: the given one keeps its device and mode
    whole.load_state_dict({name: tensor.detach().cpu().float() for name, tensor in network.state_dict().items()})
    whole.eval()
    rows, columns = whole.config.size
    rng = np.random.default_rng(0)
    strips = rng.random((3, 1, rows, columns)).astype(np.float32)
    usable = (rng.random((3, 1, rows, columns)) < 0.8).astype(np.float32)
    examples = {"strip": torch.from_numpy(strips[:2]), "usable": torch.from_numpy(usable[:2])}
    model = traced_model(whole, examples, OUTPUTS)
    about = {
        "kind": StripNet.KIND,
        "weights_sha256": whole.weights_sha256,
        "config": whole.config.model_dump_json(),
    }

    def difference(run: Run) -> float:
        apart = [0.0]
        for count in (1, 3):
            found = run(OUTPUTS, {"strip": strips[:count], "usable": usable[:count]})[0]
            with torch.no_grad():
                expected = whole(torch.from_numpy(strips[:count]), torch.from_numpy(usable[:count])).numpy()
            apart.append(output_difference(found, expected))
        return float(np.max(apart))

    return write_checked(model, path, about, difference)
