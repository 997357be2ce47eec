"""What the YAML may say about data, and the sentence for what it may not."""

import pytest
from pydantic import ValidationError

from trainers.config.data import DataConfig, DomainConfig
from trainers.volumes.privacy import project_key, scrub, shown_subject, subject_hash


def build(**rest):
    return DataConfig.model_validate({"domains": {"a": {"path": "x"}}, **rest})


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ({"path": []}, "path"),
        ({"path": " "}, "empty text"),
        ({"window": [5, 1]}, "low end must lie below"),
        ({"window": [0, 1], "percentiles": [1, 99]}, "both set; keep one"),
        ({"percentiles": [0, 101]}, "0 <= low < high <= 100"),
        ({"spacing": 53}, "0.05 to 20.0 mm, or null"),
        ({"held_out": 1.5}, "held_out is 1.5; give a fraction"),
        ({"held_out": []}, "empty list"),
        ({"held_out": [0.2]}, "lists 0.2, which is no text; write each id in quotes"),
        ({"held_out": ["a", True]}, "lists True, which is no text"),
        ({"held_out": [None]}, "lists None, which is no text"),
        ({"held_out": [["a"]]}, "lists ['a'], which is no text"),
        ({"held_out": ["a", " "]}, "lists an empty id"),
        ({"dataset": " "}, "dataset is an empty text"),
        ({"subject": "("}, "not a regular expression"),
        ({"min_share": 0.5, "max_share": 0.2}, "above its max_share"),
        ({"cost": 0}, "cost of 'a' is 0"),
        ({"kind": "us"}, "'ct', 'mr', 'pet' or 'other'"),
        ({"spacings": 2}, "spacings"),
    ],
)
def test_a_domain_that_will_not_do(domain, message):
    with pytest.raises(ValidationError) as caught:
        build(domains={"a": {"path": "x", **domain}})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({"crop": 2}, "at least 4 voxels"),
        ({"max_missing": 2}, "between 0 and 1"),
        ({"held_out": ["s1"]}, "listed per domain"),
        ({"domains": {}}, "domains"),
        ({"domains": {"a b": {"path": "x"}}}, "will not do"),
        ({"domains": {"a": {"path": "x", "min_share": 0.6}, "b": {"path": "x", "min_share": 0.6}}}, "sum to at most 1"),
    ],
)
def test_data_that_will_not_do(rest, message):
    with pytest.raises(ValidationError) as caught:
        build(**rest)
    assert message in str(caught.value)


def test_defaults_are_handed_down_and_a_dump_is_complete():
    domains = {"a": {"path": "x"}, "b": {"path": "y", "spacing": None, "held_out": ["s1", 7]}, "c": {"path": "z"}}
    config = build(domains=domains, spacing=[1, 2, 3], held_out=0.1, crop=24)
    assert config.domains["a"].spacing == (1, 2, 3)
    assert config.domains["b"].spacing is None
    assert (config.domains["a"].held_out, config.domains["b"].held_out) == (0.1, ("s1", "7"))
    assert config.crop == (24, 24, 24)
    assert DataConfig.model_validate(config.model_dump(mode="json")) == config


def test_kinds_set_the_intensities():
    def of(**rest):
        domain = DomainConfig(path="x", **rest)
        return domain.clip_window, domain.clip_percentiles

    assert of(kind="ct")[0] == (-1000, 1000)
    assert of(kind="ct", percentiles=(1, 99)) == (None, (1, 99))
    assert of(kind="mr") == (None, (0.5, 99.5))
    assert of(kind="pet") == (None, (0, 99.9))
    assert of(kind="other", window=(0, 5))[0] == (0, 5)


def test_paths_are_relative_to_the_yaml(tmp_path, monkeypatch):
    config = build(root="volumes").anchored(tmp_path)
    assert config.root_path == tmp_path / "volumes"
    assert config.cache_path == tmp_path / "volumes" / "isthmus-cache"
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "fast"))
    assert config.cache_path == tmp_path / "fast"
    monkeypatch.setenv("DISK", str(tmp_path / "disk"))
    assert build(cache="$DISK/c").cache_path == tmp_path / "disk" / "c"


def test_the_project_key_is_kept_or_given(tmp_path, monkeypatch):
    key = project_key(tmp_path / "cache")
    assert project_key(tmp_path / "cache") == key != project_key(tmp_path / "other")
    assert (tmp_path / "cache" / "project.key").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("ISTHMUS_PROJECT_KEY", "secret")
    given = shown_subject(subject_hash("p1"), project_key(tmp_path / "cache"))
    assert given == shown_subject(subject_hash("p1"), b"secret") != shown_subject(subject_hash("p2"), b"secret")


def test_scrub_blots_out_whole_words_first():
    assert scrub("DOE-4711_DOE_x.nii", ["doe", "DOE-4711", "x"]) == "____x.nii"
