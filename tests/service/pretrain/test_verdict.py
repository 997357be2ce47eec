"""`data check`, `pretrain --dry-run` and `pretrain` say the same of the same data and end with the same code.

The real commands run in this process, on everything that `broken` and
`broken_files` list. `pretrain` is followed up to where Ray would
start: reaching that point is its 0, and it must not be reached otherwise. A run that really trains on data with a
quarantined and a suspicious volume is in `test_end_to_end`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main
import typer.testing
import yaml
from typer.testing import CliRunner

from service.cli.app import app
from service.pretrain import command
from tests.trainers.volumes import broken, broken_files
from tests.trainers.volumes.broken import BrokenSetting, BrokenVolume, good

VOLUMES = [*broken.VOLUMES, *broken_files.VOLUMES]
SETTINGS = [*broken.SETTINGS, *broken_files.SETTINGS]
PROBLEM = re.compile(r"domain '[^']+': .* (quarantined|warning): .*")
BODY: dict[str, Any] = {"budget": 3840, "interval": 384, "policy": {"name": "uniform"}}
SMALL = {"model": {"preset": "nano"}, "train": {"global_batch": 4, "eval_fraction": 0.2}, "ray": {"workers": 1}}


class Answer(NamedTuple):
    code: int
    problems: list[str]
    sentence: str


COMMAND = typer.main.get_command(app)
Ask = Callable[[Path, dict[str, Any]], dict[str, Answer]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Write a configuration and run the three commands on it; Ray is not reached unless the answer is 0."""
    reached: list[str] = []
    monkeypatch.setattr(command, "_run", lambda config, data, request, console: reached.append(data.digest))
    monkeypatch.setattr(typer.testing, "_get_command", lambda _: COMMAND)  # or it is built anew at each call

    def run(folder: Path, data: dict[str, Any]) -> dict[str, Answer]:
        file = folder / "config.yaml"
        body = {**BODY, **SMALL, "data": {"cache": "cache", "crop": 16, **data}}
        file.write_text(yaml.safe_dump(_plain(body)))
        answers = {}
        for words in (["data", "check"], ["pretrain", "--dry-run"], ["pretrain"]):
            reached.clear()
            done = CliRunner().invoke(app, [*words, str(file)])
            assert "Traceback" not in done.output
            lines = [line.strip() for line in done.stdout.splitlines()]
            answers[" ".join(words)] = Answer(done.exit_code, [x for x in lines if PROBLEM.fullmatch(x)], done.stderr)
            assert bool(reached) == (words == ["pretrain"] and done.exit_code == 0), done.output
            assert not (folder / "runs").exists()
        return answers

    return run


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def agreed(answers: dict[str, Answer]) -> Answer:
    assert len({str(answer) for answer in answers.values()}) == 1, answers
    return answers["pretrain"]


def said(case: BrokenVolume, odd: Path, answer: Answer) -> None:
    """Every line about the volume has its verdict, one has the words; a good one has no line."""
    about = [line for line in answer.problems if str(odd) in line]
    assert (case.verdict == "good") == (not about), (case, answer)
    assert all(f"{odd} {case.verdict}: " in line for line in about), (case, about)
    assert case.verdict == "good" or any(case.says in line for line in about), (case, about)


@pytest.mark.parametrize("case", [case for case in VOLUMES if case.verdict == "quarantined"], ids=str)
def test_a_quarter_that_is_broken_stops_all_three(case: BrokenVolume, ask: Ask, tmp_path: Path) -> None:
    good(tmp_path / "x", case.kind)
    odd = case.make(tmp_path / "x")
    answer = agreed(ask(tmp_path, {"domains": {"x": {"path": "x", "kind": case.kind, **case.domain}}}))
    said(case, odd, answer)
    everybody = "window" in case.domain  # the window is the fault, so nobody is good
    assert answer.code == 2
    assert f"isthmus: domain 'x': {'100%' if everybody else '25%'} of its volumes cannot be used" in answer.sentence
    assert len(answer.sentence.splitlines()) == 1
    assert everybody or len([line for line in answer.problems if f"{tmp_path / 'x'}/s" in line]) == 0


def test_what_is_only_suspicious_or_allowed_stops_none(ask: Ask, tmp_path: Path) -> None:
    """All volumes at once, in domains by kind and options, with as much of each allowed to be missing as it takes."""
    domains: dict[str, Any] = {}
    odd: list[tuple[BrokenVolume, Path]] = []
    for number, case in enumerate(case for case in VOLUMES if not (case.verdict == "quarantined" and case.domain)):
        name = case.kind if not case.domain else f"{case.kind}-{number}"
        if name not in domains:
            domains[name] = {"path": name, "kind": case.kind, **case.domain}
            good(tmp_path / name, case.kind)
        odd.append((case, case.make(tmp_path / name / f"v{number}")))
    answer = agreed(ask(tmp_path, {"domains": domains, "max_missing": 0.9}))
    assert answer.code == 0, answer
    for case, file in odd:
        said(case, file, answer)
    assert not [line for line in answer.problems if re.search(r"/s\d\.nii\.gz", line)], "a good volume is blamed"
    assert answer.sentence == ""


@pytest.mark.parametrize("case", SETTINGS, ids=str)
def test_a_setting(case: BrokenSetting, ask: Ask, tmp_path: Path) -> None:
    answer = agreed(ask(tmp_path, case.make(tmp_path)))
    assert answer.code == case.code, answer
    assert case.says in (answer.sentence if case.code else "\n".join(answer.problems))
    assert len(answer.sentence.splitlines()) == (1 if case.code else 0)
