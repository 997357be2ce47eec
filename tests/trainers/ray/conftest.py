"""One small Ray cluster for each file of tests here, and the tiny job of the loop's tests."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")  # left before the next file, which may start a Ray of its own
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    import ray

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, namespace="isthmus-test", logging_level="WARNING"
        )
    yield
    ray.shutdown()
