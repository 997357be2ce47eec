"""A wrong configuration is one sentence that holds the bad value and the cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from service.config import BadConfig, load_config, load_resumed, save_config


def good() -> dict[str, Any]:
    return {
        "name": "small",
        "budget": 19200,
        "interval": 1920,
        "data": {"domains": {"ct": {"path": "ct", "kind": "ct"}, "mr": {"path": "mr"}, "pet": {"path": "pet"}}},
        "train": {"global_batch": 32},
        "policy": {"name": "uniform"},
    }


def write(tmp_path: Path, body: Any) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(body if isinstance(body, str) else yaml.safe_dump(body))
    return file


def refused(tmp_path: Path, body: Any, *overrides: str) -> str:
    with pytest.raises(BadConfig) as caught:
        load_config(write(tmp_path, body), overrides)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_paths_start_at_the_folder_of_the_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISTHMUS_CACHE", raising=False)
    config = load_config(write(tmp_path, good() | {"store": "sqlite:///all.db", "tracking": {"uri": "sqlite:///m.db"}}))
    assert config.runs == str(tmp_path / "runs")
    assert config.data.root == str(tmp_path)
    assert config.store == f"sqlite:///{tmp_path}/all.db"
    assert config.tracking.uri == f"sqlite:///{tmp_path}/m.db"


def test_overrides_are_yaml(tmp_path: Path) -> None:
    overrides = ["train.lr=3e-4", "policy.pin={pet: 0.2}", "ray.workers=[1, 4]", "data.domains.ct.window=[-200, 300]"]
    config = load_config(write(tmp_path, good()), overrides)
    assert config.train.lr == 3e-4
    assert config.policy.pin == {"pet": 0.2}
    assert config.ray.workers == (1, 4)
    assert config.data.domains["ct"].window == (-200, 300)


def test_saved_configuration_is_the_same_from_anywhere(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, good()), ["train.lr=1e-3", "policy.targets={ct: 1, mr: 2}"])
    saved = tmp_path / "runs" / "small" / "config.yaml"
    saved.parent.mkdir(parents=True)
    save_config(config, saved)
    assert load_config(saved) == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("polcy.name=uniform", "polcy: there is no such key (did you mean 'policy'?)"),
        ("train.learning_rat=1", "train.learning_rat: there is no such key"),
        ("train.globl_batch=8", "(did you mean 'global_batch'?)"),
        ("data.domains.ct.widnow=[0, 1]", "data.domains.ct.widnow: there is no such key (did you mean 'window'?)"),
        ("ray.adress=auto", "(did you mean 'address'?)"),
        ("policy.name=unifrom", "no policy is named 'unifrom' (did you mean 'uniform'?)"),
        ("policy.options={depth: 3}", "has no option 'depth'"),
        ("policy.pin={pte: 0.1}", "policy.pin names an unknown domain 'pte' (did you mean 'pet'?)"),
        ("policy.targets={xray: 1}", "policy.targets names an unknown domain 'xray'"),
        ("policy.pin={pet: -0.02}", "policy.pin of 'pet' is -0.02; it must be finite and >= 0"),
        ("policy.baseline={ct: 0.5, mr: 0.6, pet: -0.1}", "policy.baseline of 'pet' is -0.1"),
        ("policy.baseline={ct: 0.5, mr: 0.6, pet: 0.1}", "the shares sum to 1.2"),
        ("policy.mode=advice", "mode is 'advice' (did you mean 'advise'?)"),
        ("policy.objective=mean", "objective is 'mean'"),
        ("data.domains.ct.min_share=-0.1", "min_share of 'ct' is -0.1; shares must lie in [0, 1]"),
        ("data.domains.ct.min_share=1.0", "ok"),
        ("data.domains.ct.max_share=0.1", "ok"),
        ("interval=1900", "interval is 1900, not a multiple of global_batch = 32; set interval to 1888"),
        ("budget=20000", "budget is 20000, not a multiple of interval = 1920; set budget to 19200"),
        ("budget=-5", "budget is -5"),
        ("ray.workers=3", "ray.workers is 3, which cannot share train.global_batch = 32 evenly; set ray.workers to 2"),
        ("train.decision_lag=1920", "decision_lag is 1920"),
        ("train.lr=fast", "train.lr is 'fast'"),
        ("tracking.uri=./mlruns", "sqlite:///./mlruns/mlflow.db"),
        ("name=../escape", "name is '../escape'"),
        ("data.domains.ct.held_out=2", "held_out is 2"),
    ],
)
def test_one_sentence_with_value_and_cure(tmp_path: Path, override: str, message: str) -> None:
    if message == "ok":
        load_config(write(tmp_path, good()), [override])
    else:
        assert message in refused(tmp_path, good(), override)


def test_shares_that_cannot_be_met(tmp_path: Path) -> None:
    text = refused(tmp_path, good(), "data.domains.ct.min_share=0.7", "data.domains.mr.min_share=0.7")
    assert "the min_share values sum to 1.4" in text


def test_a_misspelt_key_is_named_before_what_it_made_missing(tmp_path: Path) -> None:
    body = good()
    body["budgt"] = body.pop("budget")
    assert "budgt: there is no such key (did you mean 'budget'?)" in refused(tmp_path, body)
    del body["budgt"]
    assert "budget is missing" in refused(tmp_path, body)


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    assert "line 2, column" in refused(tmp_path, "name: a\n  budget: [1\n")
    assert "key 'budget' is given twice" in refused(tmp_path, "budget: 1\nbudget: 2\n")
    assert "must hold keys and values" in refused(tmp_path, "- 1\n")
    assert "write it as key=value" in refused(tmp_path, good(), "budget")
    assert "has no keys of its own" in refused(tmp_path, good(), "budget.draws=3")
    with pytest.raises(BadConfig, match="there is no configuration at"):
        load_config(tmp_path / "none.yaml")


def test_resumed_run_may_change_tracking_but_not_what_it_learns(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    save_config(load_config(write(tmp_path, good())), file)
    config = load_resumed(file, ["ray.workers=4", "train.loader_workers=1", "tracking.enabled=false"])
    assert (config.ray.workers, config.train.loader_workers, config.tracking.enabled) == (4, 1, False)
    with pytest.raises(BadConfig, match=r"train\.lr cannot change while a run goes on"):
        load_resumed(file, ["train.lr=1"])


def test_crop_that_patches_do_not_fill(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, good()), ["data.crop=20"])
    with pytest.raises(ValueError, match=r"make 20 a multiple of 8, or set model\.patch"):
        config.check_model()
