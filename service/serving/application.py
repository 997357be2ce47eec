"""The service for a Serve configuration file, as KubeRay's RayService has one.

``import_path: service.serving.application:application``; the store is $ISTHMUS_STORE of the nodes.
"""

# No postponed annotations here: Serve looks at the type of `args` to know what to make of the file's.
import os

from pydantic import PositiveFloat, PositiveInt
from ray import serve

from service.api.settings import Settings
from service.config import BadConfig
from service.hosting.cluster import Hosts
from service.journal.engine import is_sqlite
from service.serving.asked import STORE_VARIABLE, settled_store
from service.serving.deploy import behind_proxy
from trainers.config.base import Strict


class Arguments(Strict):
    """The `args` of the application; as the options of `isthmus serve`."""

    shards: PositiveInt = 1
    replicas: PositiveInt = 1
    max_body: PositiveInt = Settings.max_body
    rate: PositiveFloat = Settings.rate
    allocations: PositiveInt = Settings.allocations
    domains: PositiveInt = Settings.domains
    behind_proxy: bool = False
    proxies: tuple[str, ...] = Settings.proxies


def application(args: Arguments) -> serve.Application:
    """Raises `BadConfig` where the store is a file: pods come and go, and it would go with them."""
    url = settled_store(os.environ.get(STORE_VARIABLE))
    if is_sqlite(url):
        raise BadConfig(f"{STORE_VARIABLE} is not set to a PostgreSQL URL on this node; a cluster's service needs one")
    settings = Settings(**args.model_dump(exclude={"shards", "replicas"}))
    return behind_proxy(Hosts(url, args.shards), settings, args.replicas)
