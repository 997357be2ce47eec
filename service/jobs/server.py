"""The Jobs server of a Ray cluster, as far as it is needed here; its errors become one sentence."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from service.jobs.errors import BadJob, JobsUnreachable

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
_OVERRIDES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")  # Ray prefers these to the address it is given
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def connect(address: str | None) -> Any:
    """A `JobSubmissionClient`. Without `address`: the environment's, or else this machine's.

    Raises
    ------
    BadJob
        Where the address is none, or the cluster wants a token and none (or a wrong one) is at hand.
    JobsUnreachable
        Where nothing answers.
    """
    url = address or next((os.environ[name] for name in _OVERRIDES if os.environ.get(name)), DEFAULT_ADDRESS)
    if not _is_address(url):
        raise BadJob(f"--address {url}: give the dashboard's address, such as {DEFAULT_ADDRESS}")
    # Set before Ray is imported, and never left to a token file that some other program wrote once.
    os.environ.setdefault("RAY_AUTH_MODE", "token" if any(map(os.environ.get, _TOKENS)) else "disabled")
    for name in _OVERRIDES:
        os.environ.pop(name, None)
    from ray.job_submission import JobSubmissionClient

    # It tells of each package that it sends.
    logging.getLogger("ray.dashboard.modules.dashboard_sdk").setLevel(logging.WARNING)
    with answering(url):
        return JobSubmissionClient(url)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.fragment
    except ValueError:
        return False


@contextmanager
def answering(url: str) -> Iterator[None]:
    """What the Jobs SDK raises, in one sentence of ours."""
    import requests
    from ray.exceptions import AuthenticationError

    try:
        yield
    except AuthenticationError:
        cure = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to the file that holds it"
        raise BadJob(f"the cluster at {url} asks for its token; {cure}") from None
    except (ConnectionError, requests.exceptions.RequestException):
        why = f"no Ray Jobs server answers at {url}"
        raise JobsUnreachable(f"{why}; is the cluster up, and is this the dashboard's address?") from None
    except (json.JSONDecodeError, KeyError):  # what answers is a page, or JSON of another program
        raise JobsUnreachable(f"what answers at {url} is no Ray; give the address of the cluster's dashboard") from None
    except RuntimeError as error:
        text = str(error)
        if "Version check returned 404" in text:
            raise JobsUnreachable(
                f"what answers at {url} is no Ray dashboard; give its address, such as {DEFAULT_ADDRESS}"
            ) from None
        if "o available agent" in text or "JobAgent" in text:
            raise JobsUnreachable(
                f"the cluster at {url} has no agent that takes jobs; start Ray with ray[default] installed on its head"
            ) from None
        raise JobsUnreachable(f"the Ray Jobs server at {url} failed: {_last_line(str(error))}") from None


def _last_line(text: str) -> str:
    """Ray sends whole tracebacks back; the last line names the cause."""
    lines = [line.strip() for line in text.replace("\\n", "\n").splitlines() if line.strip(' "}')]
    return lines[-1].rstrip('"}. ') if lines else "it gave no reason"
