"""`isthmus token ...`"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager

from rich.table import Table

from service.cli.screen import screen
from service.journal import Journal
from service.serving.asked import settled_store
from service.tokens import Token, Vault
from service.tokens.token import check_wish


def create(project: str, scope: str, store: str | None, days: float | None) -> None:
    """Prints the token on stdout, alone, so that a script can take it; what to know about it goes to stderr."""
    check_wish(project, scope, days)  # before a store is made for nothing
    with _vault(store) as vault:
        token, text = vault.create(project, scope, days)
    print(text)
    until = "until it is revoked" if token.expires_at is None else f"until {_when(token.expires_at)}"
    said = f"token {token.id} of project '{project}', scope {scope}, valid {until}; it is shown this once"
    screen(stderr=True).print(said, highlight=False, soft_wrap=True)


def show(store: str | None, project: str | None) -> None:
    """The table of tokens, without their secrets."""
    with _vault(store) as vault:
        tokens = vault.list(project)
    table = Table("id", "project", "scope", "created", "expires", "revoked")
    for token in tokens:
        table.add_row(token.id, token.project, token.scope, *_dates(token))
    screen().print(table)


def revoke(id: str, store: str | None) -> None:
    """From now on the token opens nothing; a running service hears of it within seconds."""
    with _vault(store) as vault:
        token = vault.revoke(id)
    screen().print(f"token {token.id} of project '{token.project}' is revoked", highlight=False, soft_wrap=True)


@contextmanager
def _vault(store: str | None) -> Iterator[Vault]:
    with Journal(settled_store(store), shared=True) as journal:
        yield Vault(journal)


def _dates(token: Token) -> Iterator[str]:
    for at in (token.created_at, token.expires_at, token.revoked_at):
        yield "-" if at is None else _when(at)


def _when(at: float) -> str:
    return f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%Y-%m-%d %H:%M} UTC"
