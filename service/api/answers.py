"""How answers are written: JSON that every reader can take, and nothing a browser could mistake."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response


class Answer(Response):
    """JSON in plain ASCII, without NaN: halves of characters and numbers that are none cannot break it."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(finite(content), allow_nan=False, separators=(",", ":")).encode("ascii")


class Problem(Answer):
    """RFC 9457."""

    media_type = "application/problem+json"


def finite(value: Any) -> Any:
    """The value with null in the place of every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value
