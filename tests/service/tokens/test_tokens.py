"""Tokens: shown once, kept as a hash, valid until they end."""

from __future__ import annotations

import re

import pytest

from service.journal import Journal
from service.tokens import BadToken, Vault, allows
from service.tokens.token import parse


def test_made_checked_listed_revoked_on_either_store(store_url: str) -> None:
    now = [1000.0]
    with Journal(store_url) as store:
        vault = Vault(store, clock=lambda: now[0])
        token, text = vault.create("brains", "report", days=1)
        assert re.fullmatch(r"isth_[0-9a-f]{12}_[A-Za-z0-9]{43}", text)
        assert vault.check(text) == token
        assert vault.check(text[:-1] + ("a" if text[-1] != "a" else "b")) is None
        assert vault.check(text.replace(token.id, "0" * 12)) is None
        other, _ = vault.create("hearts", "read")
        assert [one.id for one in vault.list()] == sorted([token.id, other.id])
        assert [one.id for one in vault.list("hearts")] == [other.id]
        now[0] += 86399
        assert vault.check(text) is not None
        now[0] += 2
        assert vault.check(text) is None
        assert vault.revoke(other.id).revoked_at == now[0]
        now[0] += 5
        assert vault.revoke(other.id).revoked_at == now[0] - 5


def test_revoked_elsewhere_is_refused_here_within_seconds(store_url: str) -> None:
    now = [1000.0]
    with Journal(store_url) as store:
        here, there = (Vault(store, clock=lambda: now[0], remembered=3) for _ in range(2))
        token, text = here.create("brains", "read")
        assert here.check(text) is not None
        there.revoke(token.id)
        assert here.check(text) is not None
        now[0] += 3
        assert here.check(text) is None


def test_the_secret_is_nowhere_in_the_store_or_the_record(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with Journal(f"sqlite:///{tmp_path / 's.db'}") as store:
        token, text = Vault(store).create("brains", "admin")
    secret = text.rsplit("_", 1)[1]
    assert secret.encode() not in (tmp_path / "s.db").read_bytes()
    assert secret not in repr(token)
    assert token.secret_hash not in repr(token)


@pytest.mark.parametrize(
    ("project", "scope", "days", "words"),
    [
        ("brains", "write", None, "scope is 'write'; known are read, report, admin"),
        ("", "read", None, "project is ''"),
        ("../etc", "read", None, "letters, digits"),
        ("a" * 101, "read", None, "up to 100"),
        ("brains", "read", 0, "cannot be valid for 0 days"),
        ("brains", "read", float("nan"), "cannot be valid for nan days"),
    ],
)
def test_tokens_that_cannot_be(tmp_path, project: str, scope: str, days: float | None, words: str) -> None:  # type: ignore[no-untyped-def]
    with Journal(f"sqlite:///{tmp_path / 's.db'}") as store:
        vault = Vault(store)
        with pytest.raises(BadToken, match=re.escape(words)):
            vault.create(project, scope, days)
        assert vault.list() == []
        with pytest.raises(BadToken, match="there is no token 'nothing'"):
            vault.revoke("nothing")


@pytest.mark.parametrize(
    "text", ["", "isth_", "isth_0123456789ab_short", "x" * 100_000, "isth_0123456789ab_" + "é" * 43]
)
def test_what_no_token_looks_like(text: str) -> None:
    assert parse(text) is None


def test_scopes_contain_each_other() -> None:
    scopes = ("read", "report", "admin")
    assert [[allows(a, b) for b in scopes] for a in scopes] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
