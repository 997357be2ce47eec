"""How answers are written: JSON that every reader can take, and nothing a browser could mistake."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import Response

from service.journal.event import finite


class Answer(Response):
    """JSON in plain ASCII, without NaN: halves of characters and numbers that are none cannot break it."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(finite(content), allow_nan=False, separators=(",", ":")).encode("ascii")


class Problem(Answer):
    """RFC 9457."""

    media_type = "application/problem+json"
