"""Carries one allocation from the journal into MLflow, a batch at a time.

The watermark moves only after a batch has arrived. A batch that is sent twice changes nothing: the
time of each point comes from the journal, and MLflow drops a point it has; files are written over.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.journal import Event, Journal, Watermark
from service.owner import Spec
from service.runs import is_locked
from service.tracking.series import points, refit_body
from service.tracking.settings import TrackSettings
from service.tracking.store import TrackingStore
from service.urls import hidden

log = logging.getLogger(__name__)

_EVENTS_AT_ONCE = 200
_FILES = ("report.html", "manifest.json")


class TrackWriter:
    """Not safe for threads; `step` and `finish` raise whatever MLflow raises, and may be called again."""

    def __init__(
        self,
        journal: Journal,
        allocation: str,
        settings: TrackSettings,
        store: Callable[..., TrackingStore] = TrackingStore,
    ) -> None:
        self._journal, self._allocation, self._settings = journal, allocation, settings
        self._make_store = store
        self._store: TrackingStore | None = None
        self._spec = Spec.from_dict(journal.spec(allocation))
        # Another tracking server starts from the beginning, with a watermark of its own.
        self._consumer = (
            "mlflow@" + hashlib.sha256(f"{hidden(settings.uri)} {settings.experiment}".encode()).hexdigest()[:12]
        )

    def step(self) -> bool:
        """Send the next batch of events; True if there may be more."""
        store, mark = self._opened(), self._mark()
        events = self._journal.events(self._allocation, mark.event, limit=_EVENTS_AT_ONCE)
        if not events:
            return False
        store.metrics([point for event in events if event.active for point in points(event, self._spec)])
        refits = self._refits(store, events, int(mark.state.get("refits", 0)))
        self._tags(store, events)
        self._set_mark(events[-1].id, {**mark.state, "refits": refits, "run_id": store.run_id})
        return True

    def behind(self) -> int:
        """Events not sent yet."""
        return len(self._journal.events(self._allocation, self._mark().event))

    def run_id(self) -> str | None:
        """The MLflow run, once there is one."""
        found = self._mark().state.get("run_id")
        return None if found is None else str(found)

    def finish(self, status: str) -> None:
        """Send what is left, the files of the run and how it ended (FINISHED, FAILED, KILLED)."""
        while self.step():
            pass
        store = self._opened()
        for name in _FILES:
            path = Path(self._settings.run_dir, name)
            if path.is_file():
                store.file(path)
        store.json(self._schedule(), "schedule.json")
        best = self._best_checkpoint()
        if best is not None:
            store.json(best, "best_checkpoint.json")
            store.tags({"checkpoint.best": best["checkpoint"]})
        last = self._journal.events(self._allocation)[-1]
        store.tags({"isthmus.journal.head": last.digest})
        store.end(status, round(last.at * 1000))

    # -- inside

    def _mark(self) -> Watermark:
        return self._journal.watermark(self._consumer, self._allocation)

    def _set_mark(self, event: int, state: Mapping[str, Any]) -> None:
        self._journal.set_watermark(self._consumer, self._allocation, Watermark(event, state))

    def _opened(self) -> TrackingStore:
        """The store with our run open; what describes the run is sent when it is opened for the first time."""
        if self._store is not None:
            return self._store
        settings, mark = self._settings, self._mark()
        store = self._make_store(settings.uri, settings.experiment, settings.artifacts)
        first = self._journal.events(self._allocation, limit=1)[0]
        note = f"Pretraining '{settings.run_name}'. Open report.html under Artifacts first; refits/ holds every refit."
        tags = {"mlflow.note.content": note, "mlflow.source.name": "isthmus pretrain", **settings.tags}
        store.open_run(settings.run_name, first.digest, round(first.at * 1000), tags)
        if not mark.state.get("described"):
            self._describe(store)
            self._set_mark(mark.event, {**mark.state, "described": True, "run_id": store.run_id})
        store.tags(settings.tags)
        self._close_orphans(store)
        self._store = store
        return store

    def _close_orphans(self, store: TrackingStore) -> None:
        """Runs of a driver that was killed say they run for ever; one whose folder is not locked does not."""
        for run_id, name in store.running():
            folder = Path(self._settings.run_dir).parent / name
            if run_id != store.run_id and folder.is_dir() and not is_locked(folder):
                store.end_other(run_id, "KILLED")

    def _describe(self, store: TrackingStore) -> None:
        store.params(self._settings.params)
        store.json(dict(self._settings.config), "config.json")
        manifest = Path(self._settings.run_dir, "manifest.json")
        if manifest.is_file():
            store.datasets(json.loads(manifest.read_text()))
            store.file(manifest)

    def _refits(self, store: TrackingStore, events: list[Event], count: int) -> int:
        """A file for each decision that answered a report, and the figures as of the newest."""
        answers = [e for e in events if e.kind == "decision" and (e.body.get("meta") or {}).get("report") is not None]
        for event in answers:
            count += 1
            report = self._journal.find(self._allocation, f"report:{event.position}")
            store.json(refit_body(count, event, report), f"refits/{count:04d}.json")
        if answers:
            for name, svg in self._figures().items():
                store.text(svg, f"figures/{name}")
        return count

    def _figures(self) -> dict[str, str]:
        """Drawn from the journal; a figure that cannot be drawn must not keep the numbers back."""
        from service.report import refit_figures
        from service.story import read_story

        try:
            return refit_figures(read_story(self._journal, self._allocation))
        except Exception:
            log.warning("no figures for this refit", exc_info=True)
            return {}

    def _tags(self, store: TrackingStore, events: list[Event]) -> None:
        tags = {}
        for event in events:
            if event.kind == "throughput" and "workers" in event.body:
                tags["world_size"] = str(event.body["workers"])
            elif event.kind == "checkpoint":
                tags["checkpoint.newest"] = _checkpoint_name(event)
            elif event.kind == "mode":
                tags["isthmus.mode"] = str(event.body["mode"])
            tags["attempt"] = str(event.attempt)
        store.tags(tags)

    def _best_checkpoint(self) -> dict[str, Any] | None:
        """The checkpoint with the lowest held-out loss, by its name within the run's folder."""
        notes = self._journal.events(self._allocation, kinds=["checkpoint"], active=True)
        scored = [event for event in notes if isinstance(event.body.get("score"), int | float)]
        if not scored:
            return None
        best = min(scored, key=lambda event: (event.body["score"], event.id))
        return {"checkpoint": _checkpoint_name(best), "position": best.position, "score": best.body["score"]}

    def _schedule(self) -> dict[str, Any]:
        """The mixture over the run as it was acted on: (first draw, shares), oldest first."""
        stages: dict[int, Any] = {}
        for event in self._journal.events(self._allocation, kinds=["decision"], active=True):
            if int(event.body["position"]) < self._spec.budget:
                stages[int(event.body["position"])] = event.body["weights"]
        return {"stages": [{"position": at, "weights": stages[at]} for at in sorted(stages)]}


def _checkpoint_name(event: Event) -> str:
    """Without the folders above the run's, which are nobody else's business."""
    return f"checkpoints/{Path(str(event.body.get('path', ''))).name}"
