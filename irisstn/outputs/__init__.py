"""What a run leaves on disk, and how it is read back: the only home of the file contract.

    OUT/manifest.jsonl        one JSON object a line; the last one of a path counts
    OUT/strips/PNG            8-bit gray strip
    OUT/strip_masks/PNG       255 = usable
    OUT/masks/PNG             of the photograph: 255 = usable iris
    OUT/iris_masks/PNG        of the photograph: 255 = iris between the eyelids
    OUT/overlays/REL.jpg      with --overlays: the boundaries drawn on the picture
    OUT/side_by_side/REL.jpg  with --side-by-side: input and output in one picture
    OUT/embeddings/REL.npy    from `irisstn embed`
    OUT/run.json              version, settings, the weights' hash, counts
    OUT/report.html           a page to look through

REL is the input's path below its source, suffix included, and PNG what `png_name` makes of it: a.png stays a.png, and
a.jpg becomes a.jpg.png. Eyelashes, reflections and shadows are not usable, but iris.

records              one line of the manifest, as a type
segmentation_fields  its boundaries and eyelids, written and read back
record_lines         what is read from a line without parsing it
record_files         the files that a record names, and their sizes
manifest             the file manifest.jsonl
whole_manifest       its records, with an error where some are damaged or missing
group_commit         records are appended after their files are on the disk
settings             the settings in run.json, and the refusal of other ones
folder               the output folder of one run, with its lock
reader               reads strips, masks, segmentations and embeddings back
remote_manifest      the manifest of an output folder at a URL
measurements         records as rows of a table
"""

from irisstn.outputs.manifest import MANIFEST, read_manifest
from irisstn.outputs.reader import (
    read_embedding,
    read_embeddings,
    read_mask,
    read_picture,
    read_segmentation,
    read_strip,
)
from irisstn.outputs.records import Json, Record
from irisstn.outputs.settings import require_same_settings

__all__ = [
    "MANIFEST",
    "Json",
    "Record",
    "read_embedding",
    "read_embeddings",
    "read_manifest",
    "read_mask",
    "read_picture",
    "read_segmentation",
    "read_strip",
    "require_same_settings",
]
