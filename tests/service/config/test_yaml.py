"""YAML as people write it, and what is said where it cannot be meant."""

from __future__ import annotations

import codecs
import time
from pathlib import Path
from typing import Any

import pytest

from service.config import BadConfig, load_config
from service.config.yaml import parse

RUN = """\
budget: 19200
interval: 1920
data:
  domains:
    ct: {path: ct, kind: ct}
    mr: {path: mr}
train: {global_batch: 32}
policy: {name: uniform}
"""


def load(tmp_path: Path, text: str | bytes, *overrides: str) -> Any:
    file = tmp_path / "run.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(file, overrides)


def refused(tmp_path: Path, text: str | bytes, *overrides: str) -> str:
    with pytest.raises(BadConfig) as caught:
        load(tmp_path, text, *overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_merge_keys_and_anchors() -> None:
    text = (
        "base: &b {x: 1, y: [1]}\nother: &o {x: 5, z: 3}\none: {<<: *b, y: 2}\ntwo: {y: 2, <<: [*b, *o]}\nthree: *b\n"
    )
    found = parse(text, "t")
    assert found["one"] == {"x": 1, "y": 2}
    assert found["two"] == {"x": 1, "y": 2, "z": 3}
    assert found["three"] == {"x": 1, "y": [1]}


def test_merged_domains_train(tmp_path: Path) -> None:
    text = RUN.replace(
        "    mr: {path: mr}\n", "    mr: &base {path: mr, kind: mr, spacing: 3}\n    pet: {<<: *base, path: p}\n"
    )
    config = load(tmp_path, text)
    assert config.data.domains["pet"].path == ("p",)
    assert config.data.domains["pet"].spacing == (3, 3, 3)


def test_keys_are_the_text_that_was_written(tmp_path: Path) -> None:
    assert parse("{on: 1, no: 2, 1: 3, null: 4, 2024-01-01: 5, 1.5: 6, 0x1f: 7, =: 8, 010: 9}", "t") == dict(
        zip(["on", "no", "1", "null", "2024-01-01", "1.5", "0x1f", "=", "010"], range(1, 10), strict=True)
    )
    config = load(
        tmp_path,
        RUN.replace("    mr: {path: mr}\n", "    no: {path: mr}\n    1: {path: p}\n    2024-01-01: {path: q}\n"),
    )
    assert config.domains == ("ct", "no", "1", "2024-01-01")
    assert "run.yaml, line 9, column 5: on: there is no such key" in refused(tmp_path, RUN + "on: 1\n")
    assert "train.1: there is no such key" in refused(tmp_path, RUN.replace("{global_batch: 32}", "{1: 32}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "line 2, column 1: key 'a' is given twice, first at line 1"),
        ("x: {on: 1, 'on': 2}\n", "line 1, column 12: key 'on' is given twice"),
        ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", "line 4, column 3: key '<<' is given twice"),
        ("b:\n  <<: 3\n", "expected a mapping or list of mappings for merging"),
        ("a:\n\tb: 1\n", "line 2, column 1: found character '\\t' that cannot start any token; indent with spaces"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: it holds more than one document"),
        ("a: 1\n  b: 2\n", "line 2, column 4"),
        ("[a]: 1\n", "line 1, column 1: a key is a list or a mapping here"),
        ("a: *nowhere\n", "line 1, column 4: found undefined alias"),
        ("a: &a [*a]\n", "line 1, column 4: an alias refers to what holds it"),
        ("a: !!python/object:os.system {}\n", "line 1, column 4: could not determine a constructor"),
        ("a: 1\nb: x\x01y\n", "line 2, column 5: the character #x0001 is not allowed"),
        (
            "budget: 010\n",
            "line 1, column 9: 010 would be a number in base 8; leave the first 0 out, or put it in quotes",
        ),
        ("held_out: [1:30]\n", "line 1, column 12: 1:30 would be a number in base 60; put it in quotes"),
        ("a: 2024-13-45\n", "is not valid YAML"),
        ("[" * 60 + "]" * 60, "it is nested too deep; a configuration has at most 50 levels"),
        ("[" * 3000, "nested too deep"),
    ],
)
def test_what_cannot_be_meant_is_said_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(tmp_path, text)


def test_aliases_that_would_fill_the_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 {x: 1, y: 2}"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    merges = ["a0: &a0 {x: 1, y: 2}"] + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    before = time.process_time()
    assert "more than 20,000 values" in refused(tmp_path, "\n".join(lines))
    assert "more than 20,000 values" in refused(tmp_path, "\n".join(merges))
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [("3e-4", 3e-4), ("1E3", 1000.0), (".5", 0.5), ("'3e-4'", 3e-4), ("5.", 5.0), ("+1e-2", 0.01)],
)
def test_numbers_as_people_write_them(tmp_path: Path, value: str, expected: float) -> None:
    assert load(tmp_path, RUN.replace("32}", f"32, lr: {value}}}")).train.lr == expected


def test_whole_numbers_and_truth(tmp_path: Path) -> None:
    config = load(tmp_path, RUN.replace("19200", "19_200").replace("1920\n", "1.92e3\n") + "tracking: {enabled: no}\n")
    assert (config.budget, config.interval, config.tracking.enabled) == (19200, 1920, False)
    assert "budget is '0o10'" in refused(tmp_path, RUN.replace("19200", "0o10"))


def test_a_value_is_told_as_it_was_written(tmp_path: Path) -> None:
    said = refused(tmp_path, RUN + "name: on\n")
    assert said == 'run.yaml, line 9, column 7: name is on, which YAML reads as a truth value; put it in quotes: "on"'
    assert "name is 2024-01-01, which YAML reads as a date" in refused(tmp_path, RUN, "name=2024-01-01")
    assert "budget has no value" in refused(tmp_path, RUN.replace("19200", ""))
    said = refused(tmp_path, RUN.replace("32}", "32, lr: fast}"))
    assert said.startswith("run.yaml, line 7, column 31: train.lr is 'fast'")
    assert refused(tmp_path, RUN, "train.lr=fast").startswith("run.yaml: train.lr is 'fast'")
    assert "run.yaml, line 2, column 11: interval is 1900, not a multiple" in refused(
        tmp_path, RUN.replace("1920\n", "1900\n")
    )


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + RUN.encode(),
        codecs.BOM_UTF16_LE + RUN.encode("utf-16-le"),
        RUN.replace("\n", "\r\n").encode(),
        b"%YAML 1.1\n---\n" + RUN.encode() + b"...\n",
    ],
)
def test_marks_and_ends_of_lines(tmp_path: Path, content: bytes) -> None:
    assert load(tmp_path, content) == load(tmp_path, RUN)


def test_files_that_are_none(tmp_path: Path) -> None:
    assert "run.yaml is empty; it must hold keys and values" in refused(tmp_path, "")
    assert "run.yaml is empty" in refused(tmp_path, "# nothing\n---\n")
    assert "run.yaml is a list; it must hold" in refused(tmp_path, "- budget: 1\n")
    assert "run.yaml is one value" in refused(tmp_path, "budget\n")
    said = refused(tmp_path, "name: Schädel\n".encode("latin-1"))
    assert "is not UTF-8 (byte 0xe4 in line 1, column 10: Latin-1, or no text at all?); save it as UTF-8" in said
    with pytest.raises(BadConfig, match="larger than 4 MiB"):
        load_config("/dev/zero")
    with pytest.raises(BadConfig, match="cannot be read: Is a directory"):
        load_config(tmp_path)
