"""Spatial transformers: transforms, sampling, localization networks, and the module that combines them.

    transformer = SpatialTransformer(TutorialLocalization(affine := Affine()), affine)
    warped = transformer(images)

`TRANSFORMS` maps the name of each family to its constructor with default arguments. `irisstn.stn.transform` and
`irisstn.geometry` state the conventions.
"""

from collections.abc import Callable

from irisstn.extras import extra_named

with extra_named():  # these modules import torch
    from irisstn.stn.affine import Affine, Attention, MatrixTransform, Rotation, Scale, Translation
    from irisstn.stn.guards import require_finite, require_gradient
    from irisstn.stn.localization import TutorialLocalization, start_at_identity
    from irisstn.stn.projective import Projective
    from irisstn.stn.ring import Ring
    from irisstn.stn.sampler import area_outside, outside_penalty, sample, wrap_columns
    from irisstn.stn.tps import ThinPlateSpline
    from irisstn.stn.transform import Transform, unit_points
    from irisstn.stn.transformer import SpatialTransformer, Warped, compose_iterations

TRANSFORMS: dict[str, Callable[[], Transform]] = {
    "translation": Translation,
    "rotation": Rotation,
    "scale": Scale,
    "attention": Attention,
    "affine": Affine,
    "projective": Projective,
    "tps": ThinPlateSpline,
    "ring": Ring,
}

__all__ = [
    "TRANSFORMS",
    "Affine",
    "Attention",
    "MatrixTransform",
    "Projective",
    "Ring",
    "Rotation",
    "Scale",
    "SpatialTransformer",
    "ThinPlateSpline",
    "Transform",
    "Translation",
    "TutorialLocalization",
    "Warped",
    "area_outside",
    "compose_iterations",
    "outside_penalty",
    "require_finite",
    "require_gradient",
    "sample",
    "start_at_identity",
    "unit_points",
    "wrap_columns",
]
