"""A run that goes on: damaged checkpoints and manifests are named, and nothing begins anew by itself."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest
import yaml

from policies import LossReport
from service.cli.errors import exit_code
from service.config import BadConfig, Config, load_config
from service.journal import Journal
from service.journal.errors import JournalDamaged
from service.owner import Owner
from service.pretrain.begin import begun, settle_name
from service.pretrain.changed_data import changes
from service.pretrain.command import Request, read
from service.pretrain.console import Console
from service.runs import RunFolder
from trainers.loop.errors import CheckpointsDamaged, OutOfMemory
from trainers.loop.folder import PARTS, CheckpointFolder
from trainers.volumes import PreparedData, PreparedDomain, PreparedVolume

CONSOLE = Console(io.StringIO())
WHOLE = ((0, 8), (0, 8), (0, 8))


def volume(name: str, sha256: str = "a", key: str = "k") -> PreparedVolume:
    return PreparedVolume(f"{key}-{name}", name, f"{sha256}-{name}", "f.npy", "p.npy", 5, (8, 8, 8), WHOLE, 0.0)


def data_of(*ct: PreparedVolume) -> PreparedData:
    domains = {"ct": PreparedDomain("ct", "ct", ct, ()), "mr": PreparedDomain("mr", "mr", (volume("m0"),), ())}
    return PreparedData(domains, (32, 32, 32))


DATA = data_of(*(volume(f"s{n}.nii") for n in range(6)))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    body = {
        "name": "small",
        "budget": 3840,
        "interval": 384,
        "data": {"domains": {"ct": {"path": "ct"}, "mr": {"path": "mr"}}},
        "policy": {"name": "uniform"},
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(body))
    return load_config(tmp_path / "small.yaml")


@pytest.fixture
def run(config: Config) -> RunFolder:
    """A run with checkpoints at 192 and 384, and a report at 192."""
    with begun(config, DATA, Console(io.StringIO())) as started:
        folder = started.folder
        owner = Owner(started.journal, "small")
        owner.start()
        owner.decide(LossReport(192, {"ct": 96, "mr": 96}, {"ct": 1.0, "mr": 1.0}))
        checkpoints = CheckpointFolder(folder.path / "checkpoints", keep=2)
        for position in (192, 384):
            path = checkpoints.write(position, {name: lambda p: p.write_bytes(b"x" * 99) for name in PARTS})
            owner.note("checkpoint", position, {"path": str(path)})
    return folder


def at(folder: RunFolder, position: int) -> Path:
    return folder.path / "checkpoints" / f"draw-{position:012d}"


HARMS = {
    "cut": (lambda p: (p / "model.pt").write_bytes(b"x" * 98), "model.pt does not match its SHA-256"),
    "flipped": (lambda p: (p / "ema.pt").write_bytes(b"x" * 98 + b"y"), "ema.pt does not match its SHA-256"),
    "empty": (lambda p: (p / "optimizer.pt").write_bytes(b""), "optimizer.pt is empty"),
    "one missing": (lambda p: (p / "state.json").unlink(), "state.json is missing"),
    "no manifest": (lambda p: (p / "manifest.json").unlink(), "manifest.json is missing"),
    "empty manifest": (lambda p: (p / "manifest.json").write_text(""), "manifest.json is empty"),
    "half a manifest": (lambda p: (p / "manifest.json").write_text('{"format": 1, "fi'), "is not what was written"),
    "manifest of nothing": (
        lambda p: (p / "manifest.json").write_text('{"format": 1, "files": {}}'), "does not list state.json",
    ),
    "other format": (
        lambda p: (p / "manifest.json").write_text('{"format": 7, "files": {}}'), "format 7; this version reads 1",
    ),
    "a list": (lambda p: (p / "manifest.json").write_text("[1]"), "is not what was written"),
    "another's name": (
        lambda p: (p / "manifest.json").write_text('{"format": 1, "position": 5, "files": {}}'), "is of draw 5",
    ),
    "binary": (lambda p: (p / "manifest.json").write_bytes(b"\xff\xfe\x00"), "is not what was written"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
def test_where_every_checkpoint_is_damaged_the_run_asks(config: Config, run: RunFolder, harm: str) -> None:
    spoil, said = HARMS[harm]
    for position in (192, 384):
        spoil(at(run, position))
    with pytest.raises(BadConfig) as refused, begun(config, DATA, Console(io.StringIO())):
        pass
    told = str(refused.value)
    assert told.count(said) == 2
    assert str(at(run, 192)) in told
    assert str(at(run, 384)) in told
    assert f"isthmus pretrain --resume {run.path} --from-start" in told
    assert at(run, 384).exists(), "nothing was touched"


def test_where_the_newest_is_damaged_the_one_before_is_said_and_taken(config: Config, run: RunFolder) -> None:
    HARMS["cut"][0](at(run, 384))
    out = io.StringIO()
    with begun(config, DATA, Console(out)) as again:
        assert again.checkpoint == 192
    assert f"{at(run, 384)} is damaged (model.pt does not match its SHA-256); the run goes on from" in out.getvalue()
    assert "draw 192" in out.getvalue()


def test_checkpoints_that_are_gone_are_missed(config: Config, run: RunFolder) -> None:
    (run.path / "checkpoints").rename(run.path / "elsewhere")
    with (
        pytest.raises(BadConfig, match=r"checkpoint at draw 384, and .*checkpoints holds none.*--from-start"),
        begun(config, DATA, Console(io.StringIO())),
    ):
        pass


def test_a_newest_that_is_gone_is_said(config: Config, run: RunFolder) -> None:
    at(run, 384).rename(run.path / "checkpoints" / "draw-384-kept")
    (run.path / "checkpoints" / "draw-\N{SUPERSCRIPT TWO}").mkdir()
    out = io.StringIO()
    with begun(config, DATA, Console(out)) as again:
        assert again.checkpoint == 192
    assert "tells of a checkpoint at draw 384" in out.getvalue()
    assert "goes on from the one at draw 192" in out.getvalue()


@pytest.mark.parametrize("from_start", [False, True])
@pytest.mark.parametrize("link", [False, True])
def test_checkpoints_that_are_no_folder_are_said(config: Config, run: RunFolder, link: bool, from_start: bool) -> None:
    there = run.path / "checkpoints"
    there.rename(run.path / "elsewhere")
    there.symlink_to(run.path / "nowhere") if link else there.write_text("")
    with pytest.raises(BadConfig, match="checkpoints is no folder"):
        begun(config, DATA, Console(io.StringIO()), from_start=from_start).__enter__()


@pytest.mark.parametrize("keep", [0.3, 0.5])
def test_a_journal_whose_end_is_lost_is_one_sentence(config: Config, run: RunFolder, keep: float) -> None:
    """Half a file is seen on opening it, zeros in place of pages once they are read."""
    file = run.path / "journal.db"
    raw = file.read_bytes()
    head = raw[: int(len(raw) * keep)]
    file.write_bytes(head if keep == 0.5 else head + bytes(len(raw) - len(head)))
    with pytest.raises(JournalDamaged, match=r"malformed; restore the store from a backup") as damaged:
        begun(config, DATA, Console(io.StringIO())).__enter__()
    assert "SQL" not in str(damaged.value)


@pytest.mark.parametrize(
    "domains", [["ct"], {"ct": {"train": [{"key": "k"}]}}, {"ct": {"train": ["s0.nii"]}}, {"ct": 3}]
)
def test_a_manifest_of_another_form_is_one_sentence(config: Config, run: RunFolder, domains: object) -> None:
    run.manifest.write_text(json.dumps({"digest": "other", "crop": [32, 32, 32], "domains": domains}))
    with pytest.raises(BadConfig, match=r"have changed since it began: which files cannot be said"):
        begun(config, DATA, Console(io.StringIO())).__enter__()


def test_with_the_word_the_run_begins_again_and_its_journal_is_rewound(config: Config, run: RunFolder) -> None:
    for position in (192, 384):
        HARMS["cut"][0](at(run, position))
    out = io.StringIO()
    with begun(config, DATA, Console(out), from_start=True) as again:
        assert again.checkpoint is None
        [rewind] = again.journal.events("small", kinds=["rewind"])
        assert (rewind.position, rewind.attempt) == (0, 1)
        assert "--from-start" in rewind.body["why"]
        active = again.journal.events("small", active=True)
        assert max(event.position for event in active) == 0
        assert [e.position for e in active if e.kind == "decision"] == [0]
    assert (run.path / "checkpoints-damaged-1" / "draw-000000000384").is_dir()
    assert "begins at draw 0 again" in out.getvalue()
    with begun(config, DATA, Console(io.StringIO())) as later:
        assert later.checkpoint is None, "killed before its first checkpoint, it needs no word"


def test_a_good_checkpoint_is_not_thrown_away(config: Config, run: RunFolder) -> None:
    with (
        pytest.raises(BadConfig, match=r"good checkpoint at draw 384.*leave --from-start out"),
        begun(config, DATA, Console(io.StringIO()), from_start=True),
    ):
        pass


def test_a_new_run_needs_no_word(config: Config) -> None:
    for from_start in (False, True):
        with begun(config, DATA, Console(io.StringIO()), from_start=from_start) as fresh:
            assert fresh.checkpoint is None


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"digest": 3}'])
def test_a_damaged_manifest_is_one_sentence(config: Config, run: RunFolder, text: bytes) -> None:
    run.manifest.write_bytes(text)
    with pytest.raises(BadConfig, match=r"manifest\.json is damaged .*put it back"):
        begun(config, DATA, Console(io.StringIO())).__enter__()
    run.manifest.unlink()
    with begun(config, DATA, Console(io.StringIO())):
        assert json.loads(run.manifest.read_text())["digest"] == DATA.digest


@pytest.mark.parametrize("text", [b"", b"name: [", b"- 1", b"\xff\xfen\0", b"name: M\xfcller\n", b"budget: ["])
def test_a_damaged_configuration_of_the_run_is_one_sentence(config: Config, run: RunFolder, text: bytes) -> None:
    run.config.write_bytes(text)
    said = r"the configuration that the run has kept, .*small/config\.yaml, is damaged"
    for ask in (
        lambda: settle_name(config, Console(io.StringIO())),
        lambda: read(Request(resume=str(run.path)), CONSOLE),
    ):
        with pytest.raises(BadConfig, match=said):
            ask()


def test_a_configuration_in_latin_1_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"budget: 100\nname: M\xfcller\n")
    with pytest.raises(BadConfig, match=r"c\.yaml is not UTF-8 \(byte 0xfc in line 2.*save it as UTF-8"):
        load_config(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text("budget: 100\n", encoding="utf-32")
    with pytest.raises(BadConfig, match=r"c\.yaml is UTF-32; save it as UTF-8"):
        load_config(tmp_path / "c.yaml")


@pytest.mark.parametrize("text", [b"", b"no database" * 100])
def test_a_damaged_journal_is_one_sentence(config: Config, run: RunFolder, text: bytes) -> None:
    (run.path / "journal.db").write_bytes(text)
    said = "its journal is gone" if not text else "cannot be opened: file is not a database"
    with pytest.raises((BadConfig, RuntimeError), match=said):
        begun(config, DATA, Console(io.StringIO())).__enter__()


def test_changed_data_are_named(config: Config, run: RunFolder) -> None:
    s = DATA.domains["ct"].train
    other = data_of(
        *s[:3], volume("s3.nii", sha256="b", key="other"), volume("s4.nii", key="prepared"), volume("new.nii")
    )
    with pytest.raises(BadConfig) as refused:
        begun(config, other, Console(io.StringIO())).__enter__()
    for part in ("1 added (new.nii)", "1 removed (s5.nii)", "1 changed (s3.nii)", "1 prepared otherwise (s4.nii)"):
        assert part in str(refused.value)
    assert "domain 'ct'" in str(refused.value)
    assert "domain 'mr'" not in str(refused.value)
    with Journal(run.store(config)) as journal:
        assert journal.allocations() == ["small"]


def test_exit_codes_say_that_trying_again_does_not_help() -> None:
    assert exit_code(CheckpointsDamaged("runs/x", ["draw-1 is damaged"])) == 2
    assert exit_code(OutOfMemory("not enough memory")) == 1


def test_changes_in_words() -> None:
    before = DATA.to_dict()
    assert "1 removed" not in changes(before, before)
    fewer = changes(before, data_of(volume("s0.nii")).to_dict())
    assert fewer == "domain 'ct': 5 removed (s1.nii, s2.nii, s3.nii and 2 more)"
    assert "the crop was [32, 32, 32] and is [16, 32, 32]" in changes(
        before, dataclasses.replace(DATA, crop=(16, 32, 32)).to_dict()
    )
    only = dataclasses.replace(DATA, domains={"ct": DATA.domains["ct"]})
    assert changes(before, only.to_dict()) == "domain 'mr' was removed"
    moved = json.loads(json.dumps(before))
    moved["domains"]["ct"]["held_out"] = [moved["domains"]["ct"]["train"].pop(0)]
    assert "1 moved between training and held out (s0.nii)" in changes(before, moved)
