"""What can never be tracked, or would be kept elsewhere, is refused before a volume is looked at."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml

from service.config import BadConfig
from service.pretrain.command import Request, pretrain
from service.pretrain.console import Console


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tracking.uri=file:///x", "tracking.uri: uri is 'file:///x', a folder"),
        (
            "tracking.uri=sqlite:////dev/null/mlflow.db",
            "tracking.uri names /dev/null/mlflow.db, and /dev/null is no folder",
        ),
        ("tracking.uri=sqlite:///small.yaml", "which is no SQLite database"),
        ("store=sqlite:////x/a?b.db", "in a path write %3F for '?'"),
    ],
)
def test_before_anything_starts(tmp_path: Path, change: str, message: str, dry_run: bool) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small()))
    request = Request(tmp_path / "small.yaml", (change,), dry_run=dry_run)
    out = io.StringIO()
    with pytest.raises(BadConfig, match=r".") as caught:
        pretrain(request, Console(out))
    assert message in str(caught.value)
    assert out.getvalue() == ""
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


def small() -> dict[str, object]:
    return {
        "name": "small",
        "budget": 3840,
        "interval": 384,
        "data": {"crop": 32, "domains": {"ct": {"path": "ct"}, "mr": {"path": "mr"}}},
        "policy": {"name": "uniform"},
    }
