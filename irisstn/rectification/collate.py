"""Batches for a DataLoader over eyes or strips.

loader = torch.utils.data.DataLoader(dataset, batch_size=64, collate_fn=irisstn.collate)
eyes, labels = next(iter(loader))  # the dataset gives (image, segmentation, label)
loss = own_loss(network(rectifier(eyes)), labels)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import default_collate

from irisstn.normalization import DEFAULT_SIZE
from irisstn.rectification.eye_batch import batch_of_eyes, batch_of_strips
from irisstn.rectification.rectified import Rectified
from irisstn.results import Segmentation, Strip


def collate(samples: Sequence[Any], *, size: tuple[int, int] = DEFAULT_SIZE) -> Any:
    """Join the samples of a dataset to one batch, as the `collate_fn` of a DataLoader.

    Parameters
    ----------
    samples : sequence of length B
        Samples of one form. Of a tuple or list, the two items `image, segmentation` become one `irisstn.EyeBatch`, and
        a `Strip` or `Rectified` becomes an `irisstn.StripBatch`; so (image, segmentation, label) gives (eyes, labels)
        and (strip, label) gives (strips, labels). Other items are joined by torch's `default_collate`; arrays that are
        read-only are copied first.
    size : tuple of int
        (R, T) of the strips of eyes; with `functools.partial(irisstn.collate, size=(32, 256))` another one. Strips
        keep their size, which has to be the same for all.

    Returns
    -------
    tuple, or what a single item becomes
        On the CPU. The pictures are normalized here, so in the processes of the DataLoader.

    Raises
    ------
    ValueError
        Where there are no samples, their lengths differ, a segmentation does not follow its image, or strips differ in
        size.
    """
    if not samples:
        raise ValueError("a batch needs at least one sample")
    if not isinstance(samples[0], tuple | list):
        return _joined(samples)
    if len({len(sample) for sample in samples}) != 1:
        raise ValueError("the samples of a batch must have the same number of items")
    columns = list(zip(*samples, strict=True))
    batch: list[Any] = []
    while columns:
        column = columns.pop(0)
        if columns and isinstance(columns[0][0], Segmentation) and not isinstance(column[0], Segmentation):
            batch.append(batch_of_eyes(column, columns.pop(0), size=size))
        else:
            batch.append(_joined(column))
    return tuple(batch)


def _joined(items: Sequence[Any]) -> Any:
    """One item of each sample as a batch."""
    first = items[0]
    if isinstance(first, Segmentation):
        raise ValueError("a sample must have the image directly before its segmentation: (image, segmentation, label)")
    if isinstance(first, Rectified):
        return batch_of_strips([item.strip for item in items])
    if isinstance(first, Strip):
        return batch_of_strips(items)
    if isinstance(first, np.ndarray):  # torch warns where it is given memory that it may not write to
        items = [item if item.flags.writeable else item.copy() for item in items]
    return default_collate(list(items))
