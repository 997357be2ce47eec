"""One writer carries the journal into MLflow: late at worst, never in the way of training."""

from service.tracking.settings import TrackSettings, describe, public_config

__all__ = ["TrackSettings", "describe", "public_config"]
