"""What every chapter of the page reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from service.report.learnt import Learnt
from service.report.page import Figures
from service.report.palette import Look
from service.report.style import swatch
from service.story import Story
from service.story.words import (
    esc,
)


@dataclasses.dataclass(frozen=True)
class Facts:
    """What every chapter reads."""

    story: Story
    learnt: Learnt
    look: Mapping[str, Look]
    figures: Figures


def key(facts: Facts, name: str) -> str:
    """A colour key and the name."""
    return f'<span class="name"><i class="key {swatch(facts.look[name].colour)}"></i>{esc(name)}</span>'
