"""Each example is run as it stands, against the real service."""

from __future__ import annotations

import ast
import importlib.util
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.client import AllocationClient
from tests.service.client.serving import Served, serving

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as service:
        yield service


@pytest.fixture
def client(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[AllocationClient]:
    monkeypatch.setenv("ISTHMUS_URL", served.url)
    monkeypatch.setenv("ISTHMUS_TOKEN", served.token())
    with AllocationClient() as client:
        yield client


def load(name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def steered(client: AllocationClient, name: str, budget: int, reports: int, drawn: dict[str, float]) -> None:
    """The service knows the run to its end, and training drew what its mixtures said."""
    client.use(next(str(found["id"]) for found in client.list() if found["name"] == name))
    decisions = list(client.decisions())
    assert client.status()["position"] == budget
    assert len(decisions) == reports + 1
    assert sum(drawn.values()) == budget
    stages = client.schedule().stages
    # Within the noise of drawing, and the part of an interval by which an answer is late.
    ends = [stage.position for stage in stages[1:]] + [budget]
    for domain, number in drawn.items():
        meant = sum(s.weights[domain] * (end - s.position) for s, end in zip(stages, ends, strict=True))
        assert number == pytest.approx(meant, abs=0.12 * budget)


def test_a_plain_loop(client: AllocationClient) -> None:
    drawn = load("plain_loop").main(["--name", "plain", "--draws", "8000"])
    steered(client, "plain", 8_000, 20, drawn)
    assert len(client.schedule().stages) > 4, "the mixture moved"


def test_an_nnssl_loop(client: AllocationClient) -> None:
    drawn = load("nnssl_loop").main(["--name", "nnssl", "--epochs", "28"])
    steered(client, "nnssl", 1_120, 7, drawn)


@pytest.mark.filterwarnings("default")
def test_a_hugging_face_trainer(client: AllocationClient, tmp_path: Path) -> None:
    example = load("huggingface_trainer")
    drawn = example.main(["--name", "hf", "--out", str(tmp_path)])
    steered(client, "hf", 3_200, 20, drawn)
    assert (tmp_path / "checkpoint-200" / "isthmus_callback.json").exists()


@pytest.mark.filterwarnings("default")
def test_a_hugging_face_trainer_goes_on_from_its_checkpoint(client: AllocationClient, tmp_path: Path) -> None:
    example = load("huggingface_trainer")
    example.main(["--name", "hf-resumed", "--out", str(tmp_path)])
    for late in (150, 200):
        folder = tmp_path / f"checkpoint-{late}"
        folder.rename(tmp_path / f"left-{late}")
    drawn = example.main(["--name", "hf-resumed", "--out", str(tmp_path)])
    assert sum(drawn.values()) == 3_200
    client.use(next(str(found["id"]) for found in client.list() if found["name"] == "hf-resumed"))
    assert len(list(client.decisions())) == 21


# Deprecated calls of the framework's own are none of ours.
@pytest.mark.filterwarnings("default")
def test_a_lightning_loop(client: AllocationClient, tmp_path: Path) -> None:
    example = load("lightning_loop")
    drawn = example.main(["--name", "lightning"])
    steered(client, "lightning", 3_200, 20, drawn)
    checkpoint = str(tmp_path / "half.ckpt")
    example.main(["--name", "lightning-parts", "--stop", "100", "--checkpoint", checkpoint])
    resumed = example.main(["--name", "lightning-parts", "--resume", checkpoint])
    assert resumed == drawn


@pytest.mark.parametrize("name", ["plain_loop", "huggingface_trainer", "lightning_loop"])
def test_steering_takes_under_twenty_lines(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text()
    assert 0 < text.count("# steering\n") < 20
    # Nothing that steers is left unmarked: the rest says what came of it, no more.
    rest = [line for line in text.splitlines() if "# steering" not in line]
    calls = ("choose", "count", "report", "due", "close", "start", "for_", "sampler", "Callback")
    assert not [line for line in rest for call in calls if f"mixture.{call}" in line or "MixtureCallback" in line]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_import_nothing_of_ours_but_the_client(path: Path) -> None:
    tree = ast.parse(path.read_text())
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    ours = {name for name in modules if name.split(".")[0] in ("service", "policies", "trainers", "tests")}
    assert ours == {"service.client"}
