"""The base of every part of the configuration: frozen, and a misspelt key is an error."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationInfo

# In the context of a validation: whether a run was begun with this, so that rules made since do not hold for it.
RECORDED = "recorded"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


def is_recorded(info: ValidationInfo) -> bool:
    return bool((info.context or {}).get(RECORDED, False))
