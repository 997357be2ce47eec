"""Who looks at a page: somebody who signed in, and sees their own project."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Request

from service.api.service import Call
from service.tokens import Token
from service.web.errors import SignIn

HOME = "/"
_PAGES = re.compile(r"/|/allocations/a-[0-9a-f]{16}(/report)?", re.ASCII)


def known_page(path: str) -> str:
    """`path` if it is one of our pages, else the first: a form must not send people elsewhere."""
    return path if _PAGES.fullmatch(path) else HOME


async def visitor(request: Request) -> Call:
    """The caller; `SignIn` for somebody whose browser holds no session."""
    token: Token | None = request.state.token
    if token is None:
        raise SignIn(known_page(request.url.path))
    return Call(request.app.state.service, token)


Visitor = Annotated[Call, Depends(visitor)]
