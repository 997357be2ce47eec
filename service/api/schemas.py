"""JSON schemas of the answers, for the OpenAPI document. They may gain fields, never lose one."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

NUMBER: Schema = {"type": ["number", "null"], "description": "null: not known"}
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}


def _object(*optional: str, **properties: Schema) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _by_name(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


SHARES = _by_name({"type": "number", "minimum": 0, "maximum": 1.000001})
INTERVALS = _by_name(_ref("Interval"))

DECISION = _object(
    position=WHOLE,
    weights=SHARES,
    reason=TEXT,
    detail=TEXT,
    refit=WHOLE,
    predicted=_or_null(INTERVALS),
    predicted_baseline=_or_null(INTERVALS),
    gain=_or_null(_ref("Interval")),
    binding=_list(TEXT),
    law={"type": ["object", "null"]},
    replayed={"type": "boolean"},
)
ALLOCATION = _object(
    id=TEXT,
    name=MAYBE_TEXT,
    policy=TEXT,
    budget=WHOLE,
    position=WHOLE,
    attempt=WHOLE,
    created_at={"type": "number"},
    archived_at=NUMBER,
)

SCHEMAS: dict[str, Schema] = {
    "Interval": {**_object(mean=NUMBER, low=NUMBER, high=NUMBER), "description": "A best guess and its 90 % interval"},
    "Decision": {**DECISION, "description": "The mixture from draw `position` on, and why"},
    "MixtureSchedule": _object("items", stages=_list(_object("items", position=WHOLE, weights=SHARES, items=TEXT))),
    "Decided": _object(
        "position",
        "attempt",
        decision=_or_null(_ref("Decision")),
        schedule=_ref("MixtureSchedule"),
        position=WHOLE,
        attempt=WHOLE,
    ),
    "Created": _object(id=TEXT, name=TEXT, decision=_ref("Decision"), schedule=_ref("MixtureSchedule")),
    "Allocation": ALLOCATION,
    "Allocations": _object(items=_list(_ref("Allocation")), next=MAYBE_TEXT),
    "Status": _object(
        position=WHOLE,
        attempt=WHOLE,
        budget=WHOLE,
        mode=TEXT,
        pin=SHARES,
        decision=_or_null(_ref("Decision")),
    ),
    "Decisions": _object(items=_list(_ref("Decision")), next=MAYBE_TEXT),
    "Law": {
        "type": ["object", "null"],
        "description": "Exponents, floors, transfer[to][from], hub scores, with intervals; null while there is none",
    },
    "Plans": _object(
        plans=_list(
            _object(
                budget=WHOLE,
                objective=TEXT,
                mixture=SHARES,
                predicted=INTERVALS,
                pool_value=INTERVALS,
                binding=_list(TEXT),
            )
        )
    ),
    "Health": _object(status=TEXT),
}
PROBLEM: Schema = {
    **_object(
        type=TEXT,
        title=TEXT,
        status=WHOLE,
        detail=TEXT,
        instance=TEXT,
        errors=_list(_object("in", "pointer", field=TEXT, value={}, message=TEXT, **{"in": TEXT, "pointer": TEXT})),
    ),
    "description": "RFC 9457",
}
