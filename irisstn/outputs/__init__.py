"""What a run leaves on disk, and how it is read back: the one home of the file contract.

    OUT/manifest.jsonl            one JSON object a line; the last line of an input holds
    OUT/strips/REL.png            8-bit gray strip        REL = the input's path below its source, suffix included
    OUT/strip_masks/REL.png       255 = usable
    OUT/masks/REL.png             of the picture: 255 = usable iris (no lids, lashes, glints)
    OUT/iris_masks/REL.png        of the picture: 255 = iris between the lids, lashes and glints left in
    OUT/overlays/REL.jpg          with --overlays: the boundaries drawn on the picture
    OUT/side_by_side/REL.jpg      with --side-by-side
    OUT/embeddings/REL.npy        from `irisstn embed`
    OUT/run.json                  version, settings, the weights' hash, counts
    OUT/report.html               a page to look through

`records` is a line of the manifest, `manifest` the file, `folder` the folder of one run with its lock and settings,
`reader` what others read, and `remote_manifest` the manifest of a folder at a URL.
"""

from irisstn.outputs.manifest import MANIFEST, read_manifest
from irisstn.outputs.reader import read_embedding, read_mask, read_picture, read_segmentation, read_strip
from irisstn.outputs.records import Json, Record

__all__ = [
    "MANIFEST",
    "Json",
    "Record",
    "read_embedding",
    "read_manifest",
    "read_mask",
    "read_picture",
    "read_segmentation",
    "read_strip",
]
