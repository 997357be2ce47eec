"""One small Ray cluster for all tests of this folder, and the tiny job of the loop's tests."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    import ray

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, namespace="isthmus-test", logging_level="WARNING"
        )
    yield
    ray.shutdown()
