"""The scripted policy of the owner's tests: failures, slow fits and what was fitted can be staged."""

from __future__ import annotations

import pytest

from policies import LossReport
from policies.registry import POLICIES
from service.owner import Spec
from tests.service.owner.conftest import NAMES, Scripted, make_report, make_spec

__all__ = ["NAMES", "make_report", "make_spec"]


class Fitting(Scripted):
    """Each report costs a fit."""

    name = "fitting"

    def fits_on(self, report: LossReport) -> bool:
        return True


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    for kind in (Scripted, Fitting):
        monkeypatch.setitem(POLICIES, kind.name, kind)
        monkeypatch.setattr(kind, "fits", [])
    monkeypatch.setattr(Scripted, "gate", None)
    return Scripted


def spec(policy: str = "scripted", **options: object) -> dict[str, object]:
    return make_spec(policy, **options).to_dict()


def body(position: int, **more: object) -> dict[str, object]:
    return {**make_report(position).to_dict(), **more}


__all__ += ["Fitting", "Spec", "body", "spec"]
