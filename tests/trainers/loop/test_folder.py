"""Checkpoints are whole or not there at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainers.loop.folder import CheckpointFolder, find_fault


def write(folder: CheckpointFolder, position: int, score: float | None = None, text: str = "x") -> Path:
    return folder.write(position, {"a": lambda p: p.write_text(text), "b": lambda p: p.write_text("b")}, score)


def test_the_newest_and_the_best_are_kept(tmp_path):
    folder = CheckpointFolder(tmp_path, keep=2)
    for position, score in ((10, 3.0), (20, 1.0), (30, 2.0), (40, None), (50, 2.5)):
        write(folder, position, score)
    assert folder.positions() == [20, 40, 50]
    assert folder.newest() == (50, [])


@pytest.mark.parametrize("harm", ["cut", "gone", "manifest", "no manifest"])
def test_damage_is_found_and_named(tmp_path, harm):
    folder = CheckpointFolder(tmp_path, keep=3)
    write(folder, 10)
    newest = write(folder, 20)
    if harm == "cut":
        (newest / "a").write_text("")
    elif harm == "gone":
        (newest / "a").unlink()
    elif harm == "manifest":
        (newest / "manifest.json").write_text("{}")
    else:
        (newest / "manifest.json").unlink()
    position, damaged = folder.newest()
    assert position == 10
    assert "draw-000000000020 is damaged" in damaged[0]


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    folder = CheckpointFolder(tmp_path, keep=2)
    write(folder, 10)

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        folder.write(20, {"a": fail})
    assert [p.name for p in tmp_path.iterdir()] == ["draw-000000000010"]


def test_what_a_crash_left_is_swept_and_an_old_folder_gets_its_name_back(tmp_path):
    folder = CheckpointFolder(tmp_path, keep=2)
    write(folder, 10)
    os.rename(tmp_path / "draw-000000000010", tmp_path / ".replaced-draw-000000000010")
    (tmp_path / ".writing-000000000010").mkdir()
    assert folder.newest() == (10, [])
    write(folder, 20)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["draw-000000000010", "draw-000000000020"]


def test_the_same_position_is_replaced_whole(tmp_path):
    folder = CheckpointFolder(tmp_path, keep=2)
    write(folder, 10, text="old")
    path = write(folder, 10, text="new")
    assert (path / "a").read_text() == "new"
    assert find_fault(path) is None


PROGRAM = """
import sys
from pathlib import Path
from trainers.loop.folder import CheckpointFolder
folder = CheckpointFolder(Path(sys.argv[1]), 2)
for position in (10, 20, 30):
    folder.write(position, {"a": lambda p: p.write_text(str(position))})
"""


@pytest.mark.parametrize(("point", "newest"), [("checkpoint.before_rename", 10), ("checkpoint.written", 20)])
def test_killed_at_the_rename(tmp_path, point, newest):
    """SIGKILL at the second checkpoint, just before and just after it gets its name; once only."""
    run, marker = tmp_path / "run", tmp_path / "marker"
    environment = os.environ | {"ISTHMUS_FAULT": f"step:1:{tmp_path}/never;{point}:2:{marker}"}
    command = [sys.executable, "-c", PROGRAM, str(run)]
    assert subprocess.run(command, env=environment, check=False).returncode == -9
    assert CheckpointFolder(run, 2).newest() == (newest, [])
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert CheckpointFolder(run, 2).positions() == [20, 30]
    assert json.loads((run / "draw-000000000030" / "manifest.json").read_text())["position"] == 30
