"""The frame of every page: the house's document, our templates inside, and headers under which nothing foreign runs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from service.api.settings import Settings
from service.report.page import Section, document
from service.report.style import STYLE as HOUSE
from service.web.style import STYLE

_HASH = base64.b64encode(hashlib.sha256((HOUSE + STYLE).encode()).digest()).decode()
# One style sheet, known by its hash; no script at all, nothing from elsewhere, forms only to ourselves.
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; form-action 'self'"
HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # with `no-referrer` a browser hides the Origin of a form from us as well
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_FOOTER = "Times are counted by the service's clock. The pages load nothing from outside and run no script."
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> Markup:
    """A template of ours; every value is escaped unless it is `Markup`."""
    return Markup(_TEMPLATES.get_template(template).render(**values))


def page(
    title: str,
    header: str,
    sections: Sequence[Section],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """The answer to a browser. `header` is HTML, as are the bodies of the sections."""
    text = document(title, header, sections, _FOOTER, policy=POLICY, style=STYLE)
    return HTMLResponse(text.encode("utf-8", "replace"), status, {**HEADERS, **(headers or {})})


def bar(settings: Settings | None = None, *, signed_in: bool = False) -> Markup:
    """The top of a page: home, the neighbours that are known, the way out."""
    links = [("Interface", "/docs")]
    if settings is not None and signed_in:
        known = [("MLflow", settings.mlflow), ("Ray dashboard", settings.dashboard)]
        links = [(word, url) for word, url in known if url is not None] + links
    return render("bar.html", links=links, signed_in=signed_in)
