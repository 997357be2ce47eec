"""One YAML, validated as a whole before anything starts."""

from service.config.errors import BadConfig
from service.config.load import changed_keys, load_config, load_resumed, save_config
from service.config.model import ClusterConfig, Config, PolicyConfig, TrackingConfig

__all__ = [
    "BadConfig",
    "ClusterConfig",
    "Config",
    "PolicyConfig",
    "TrackingConfig",
    "changed_keys",
    "load_config",
    "load_resumed",
    "save_config",
]
