"""The setting of the precision that a network is trained in; it needs no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from irisstn.config import Strict

Precision = Literal["float32", "bfloat16"]


class PrecisionConfig(Strict):
    """The precision of a training run."""

    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Number format of the networks' products: bfloat16 is twice as fast on GPUs and on CPUs with units "
        "for it (AMX), and several times slower on others. auto: chosen by a short measurement when a run begins.",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_bfloat16(cls, values: Any) -> Any:
        """Read the earlier setting `bfloat16: true` or `false`, which an override may add to a file's `precision`."""
        if not isinstance(values, dict) or "bfloat16" not in values:
            return values
        rest = {name: value for name, value in values.items() if name != "bfloat16"}
        if not isinstance(values["bfloat16"], bool):
            raise ValueError("bfloat16 is true or false; give precision instead")
        meant = "bfloat16" if values["bfloat16"] else "float32"
        if rest.setdefault("precision", meant) not in ("auto", meant):
            raise ValueError("bfloat16 contradicts precision; give precision alone")
        return {**rest, "precision": meant}
