"""The command line: cheap to start, one sentence when the input is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies import BadReport
from service.cli import errors
from service.cli.shadow import shadowed
from service.config import BadConfig
from service.journal import JournalError
from trainers.loop.errors import CheckpointFailed, ResumeRefused
from trainers.volumes import NoRoom


def isthmus(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from service.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ | environment, timeout=120)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from service.cli.app import app; from typer.testing import CliRunner\n"
        "out = CliRunner().invoke(app, ['--help']); assert out.exit_code == 0, out.output\n"
        "assert 'pretrain' in out.output\n"
        "print([m for m in ('ray', 'torch', 'mlflow', 'monai', 'scipy', 'sqlalchemy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def body(tmp_path: Path) -> dict[str, Any]:
    return {
        "budget": 3840,
        "interval": 384,
        "data": {"domains": {"ct": {"path": str(tmp_path / "none")}, "mr": {"path": str(tmp_path / "none")}}},
        "policy": {"name": "uniform"},
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain", "none.yaml"], "there is no configuration at none.yaml"),
        (["pretrain", "c.yaml", "--set", "budgt=1"], "budgt: there is no such key (did you mean 'budget'?)"),
        (["pretrain", "c.yaml", "--set", "policy.pin={pet: 0.1}"], "policy.pin names an unknown domain 'pet'"),
        (["pretrain", "c.yaml", "--set", "data.domains.ct.min_share=-0.1"], "min_share of 'ct' is -0.1"),
        (["pretrain", "--resume", "none"], "there is no run at none"),
        (["data", "check", "c.yaml"], "none"),
        (["plan", "none", "--budget", "100"], "there is no run at none"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(body(tmp_path)))
    done = isthmus(*arguments, cwd=tmp_path, PYTHONPATH=str(Path(errors.__file__).parents[2]))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("isthmus: ")
    assert not (tmp_path / "runs").exists()


def test_exit_codes_follow_what_helps() -> None:
    assert errors.exit_code(BadConfig("x")) == errors.exit_code(BadReport("x")) == 2
    assert errors.exit_code(ResumeRefused("seed", 1, 2)) == 2
    assert errors.exit_code(NoRoom("full")) == errors.exit_code(JournalError("x")) == 1
    assert errors.exit_code(CheckpointFailed("f", "full", None)) == 1


def test_a_full_disk_is_a_sentence() -> None:
    assert errors.sentence(OSError(28, "No space left on device", "/runs/x")) == (
        "No space left on device: /runs/x; what was written before is kept"
    )
    assert errors.sentence(KeyError("x")) == "KeyError: 'x'"


def test_a_package_of_another_project_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shadowed() is None
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "policies")
    sentence = shadowed()
    assert sentence is not None
    assert f"package 'policies' is found in {tmp_path / 'policies'}" in sentence


def test_phantoms_stand_in_only_where_no_registry_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from service.cli import data
    from trainers.examples import NoRegistry, TooFewDomains

    def unreachable(*_: Any, **__: Any) -> None:
        raise NoRegistry("no registry answers: 0 of 5 domains could be had")

    real = data.write_phantoms
    monkeypatch.setattr(data, "fetch", unreachable)
    monkeypatch.setattr(data, "write_phantoms", lambda folder, **k: real(folder, **{**k, "size": 16, "volumes": 2}))
    data.fetch_examples(tmp_path)
    told = capsys.readouterr().out
    assert "falling back to seeded phantoms" in told
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"ct", "epi", "nuclear", "t1", "t1gd", "t2pd"}

    def partly(*_: Any, **__: Any) -> None:
        raise TooFewDomains("3 of 5 domains could be had")

    monkeypatch.setattr(data, "fetch", partly)
    with pytest.raises(TooFewDomains):
        data.fetch_examples(tmp_path)
