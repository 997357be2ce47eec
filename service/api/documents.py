"""The OpenAPI document: what each answer holds, which problems there are, and the token."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.api.schemas import PROBLEM, SCHEMAS

Schema = dict[str, Any]
Responses = dict[int | str, dict[str, Any]]


def _named(name: str) -> Schema:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


CREATED, DECIDED, STATUS, LISTED = _named("Created"), _named("Decided"), _named("Status"), _named("Allocations")
SCHEDULE, DECISIONS, LAW, PLANS = _named("MixtureSchedule"), _named("Decisions"), _named("Law"), _named("Plans")
HEALTH = _named("Health")
METRICS = {"text/plain": {"schema": {"type": "string"}}}
PAGE = {"text/html": {"schema": {"type": "string"}}}

_PROBLEMS = {
    400: "The body cannot be read as JSON",
    401: "No valid token was sent",
    403: "The token's scope does not allow it",
    404: "No such allocation in the token's project",
    408: "The body stopped coming, or came too slowly; send it again",
    409: "It contradicts what is there",
    413: "The body is too large",
    415: "The body is not sent as JSON",
    422: "The request cannot be used; `errors` names field, value and cure",
    429: "Too many requests; `Retry-After` says when",
    503: "The service cannot answer now; nothing is lost, ask again",
}
_SAID = {200: "Done", 201: "Begun"}


def answers(status: int, content: Schema, *more: int, writes: bool = False, secured: bool = True) -> Responses:
    """The `responses` of a route: `content` for `status` (and 200, if among `more`), problems for the rest."""
    found: Responses = {
        code: {"description": _SAID[code], "content": content} for code in (status, *more) if code < 300
    }
    common = ((401, 403, 422, 429, 503) if secured else ()) + ((400, 408, 413, 415) if writes else ())
    for code in sorted({*(code for code in more if code >= 400), *common}):
        schema = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        found[code] = {"description": _PROBLEMS[code], "content": schema}
    return found


def describe(app: FastAPI) -> None:
    """Have `app` tell of its answers, problems and token."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(get_openapi(title=app.title, version=app.version, routes=app.routes))
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _complete(found: dict[str, Any]) -> dict[str, Any]:
    found["info"]["description"] = (
        "Decides how much of each imaging domain a model should see, while it trains. Report losses, get mixtures."
    )
    parts = found.setdefault("components", {})
    parts.setdefault("schemas", {}).update({**SCHEMAS, "Problem": PROBLEM})
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "isth_<id>_<secret>"}}
    for path, operations in found["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None) if not _may_be_wrong(operation) else None
            if path.startswith("/v1"):
                operation["security"] = [{"token": []}]
    for name in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(name, None)
    return found


def _may_be_wrong(operation: dict[str, Any]) -> bool:
    """FastAPI promises a 422 of its own kind wherever there is a parameter; only ours are kept."""
    said = operation["responses"].get("422", {}).get("content", {})
    return "application/problem+json" in said
