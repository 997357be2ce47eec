"""The example configurations, from one laptop to 64 GPUs, as the program reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.config import load_config

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "examples"
RUNS = ("laptop", "demo", "one-node-8-gpus", "8x8-gpus")


@pytest.mark.parametrize("name", RUNS)
def test_an_example_is_a_configuration(name: str) -> None:
    config = load_config(FOLDER / f"{name}.yaml")
    config.check_model()
    assert config.budget // config.interval >= 50, "the law wants 50 intervals"
    assert config.policy.name == "transfer_law"


def test_every_yaml_of_a_run_is_tried_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(RUNS)


def test_the_largest_shares_its_batch_evenly_when_machines_are_lost() -> None:
    config = load_config(FOLDER / "8x8-gpus.yaml")
    assert config.ray.workers == (48, 64)
    assert [config.train.global_batch % (8 * machines) for machines in (6, 7, 8)] == [0, 0, 0]
    assert config.store == "$ISTHMUS_STORE"
