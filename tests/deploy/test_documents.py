"""Documents that a person reads to the end: short, with links that lead somewhere, and a reference that is true."""

import re
import subprocess
from pathlib import Path

import pytest

from service.config.reference import descriptions, reference
from trainers.config.base import Strict

ROOT = Path(__file__).parents[2]
MOST_WORDS = 1200
MOST_LETTERS = 400
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(#[^)\s]*)?\)")


def documents() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def anchors(file: Path) -> set[str]:
    """The anchors that headings of a Markdown file make."""
    found = re.findall(r"^#+ +(.*)$", file.read_text(), re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def prose(file: Path) -> list[str]:
    """Lines that are neither rows of tables nor code."""
    text = re.sub(r"^```.*?^```", "", file.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [line for line in text.splitlines() if not line.startswith("|")]


READMES = [file for file in documents() if file.name == "README.md"]


@pytest.mark.parametrize("file", READMES, ids=lambda file: str(file.relative_to(ROOT)))
def test_readme_is_short(file: Path) -> None:
    assert len(file.read_text().split()) <= MOST_WORDS


@pytest.mark.parametrize("file", documents(), ids=lambda file: str(file.relative_to(ROOT)))
def test_lines_and_links(file: Path) -> None:
    if "results" not in file.parts:
        assert [line[:60] for line in prose(file) if len(line) > MOST_LETTERS] == []
    for target, anchor in LINK.findall(file.read_text()):
        there = (file.parent / target).resolve() if target else file
        assert there.exists(), f"{file.name} links to {target}"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{file.name} links to {target}{anchor}"


def test_configuration_reference_is_what_the_models_say() -> None:
    written = (ROOT / "deploy" / "CONFIGURATION.md").read_text()
    assert written == reference(), "renew it: python -m service.config.reference > deploy/CONFIGURATION.md"


def test_a_key_without_description_is_an_error() -> None:
    class Bare(Strict):
        """Two keys.

        Parameters
        ----------
        one:
            Said.
        """

        one: int = 1
        two: int = 2

    with pytest.raises(LookupError, match="Bare does not describe two"):
        descriptions(Bare)
