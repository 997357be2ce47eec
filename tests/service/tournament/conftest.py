"""A Ray of two cores for the tests of this folder that run cells."""

import pytest


@pytest.fixture(scope="module")
def two_cores():
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80 * 2**20)
    yield
    ray.shutdown()
