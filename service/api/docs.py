"""The interface for people: the OpenAPI document as one plain page that needs no network and no script."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment

router = APIRouter(include_in_schema=False)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} API</title><style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2024 }
code, pre { font: 14px/1.4 ui-monospace, monospace; background: #f3f4f6; border-radius: 4px }
pre { padding: .75rem; overflow-x: auto } code { padding: 0 .25rem }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5d9de } h3 { margin-bottom: 0 }
summary { cursor: pointer } dt { font-weight: 600 } dd { margin-left: 1.5rem }
</style></head><body>
<h1>{{ title }} API, version {{ version }}</h1><p>{{ about }}</p>
<p>Send <code>Authorization: Bearer isth_...</code> with every request under <code>/v1</code>.
The same for programs: <a href="/openapi.json">openapi.json</a>.</p>
{% for group, calls in groups.items() %}
<h2>{{ group }}</h2>
{% for call in calls %}
<h3><code>{{ call.method }} {{ call.path }}</code></h3>
<p>{{ call.about }}</p>
{% if call.parameters %}<dl>
{% for one in call.parameters %}<dt><code>{{ one.name }}</code>{{ "" if one.required else ", optional" }}</dt>
<dd>{{ one.description or one.schema.type or "" }}</dd>{% endfor %}</dl>{% endif %}
{% if call.body %}<details><summary>Body</summary><pre>{{ call.body }}</pre></details>{% endif %}
<details><summary>Answers</summary><dl>{% for code, one in call.answers.items() %}
<dt>{{ code }}</dt><dd>{{ one.description }}</dd>{% endfor %}</dl></details>
{% endfor %}{% endfor %}
<h2>Records</h2>
{% for name, schema in schemas.items() %}
<details id="{{ name }}"><summary><code>{{ name }}</code></summary><pre>{{ schema }}</pre></details>
{% endfor %}
</body></html>""")


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """The page."""
    page = _PAGE.render(**_told(request.app.openapi()))
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"})


def _told(document: dict[str, Any]) -> dict[str, Any]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups.setdefault((operation.get("tags") or ["other"])[0], []).append(_call(path, method, operation))
    info, schemas = document["info"], document["components"]["schemas"]
    shown = {name: _json(schema) for name, schema in sorted(schemas.items())}
    about = {"title": info["title"], "version": info["version"], "about": info["description"]}
    return {**about, "groups": groups, "schemas": shown}


def _call(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return {
        "path": path,
        "method": method.upper(),
        "about": operation.get("description") or operation.get("summary"),
        "parameters": operation.get("parameters"),
        "body": None if body is None else _json(body),
        "answers": operation["responses"],
    }


def _json(schema: Any) -> str:
    return json.dumps(schema, indent=1)
