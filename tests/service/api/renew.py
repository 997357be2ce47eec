"""Record the conversation anew: `python -m tests.service.api.renew`. Only where version 1 itself is at fault."""

from __future__ import annotations

import json
import tempfile

from tests.service.api.recording import FILE, hold, ticking
from tests.service.serving import served


def main() -> None:
    clock = ticking()
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/store.db"
        with served(store, clock=lambda: next(clock)) as service, service.client() as client:
            FILE.write_text(json.dumps(hold(client), indent=1) + "\n")
    print(f"written: {FILE}")


if __name__ == "__main__":
    main()
