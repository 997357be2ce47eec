"""The masked autoencoder, its loss per sample, and the fixed held-out evaluation."""

from trainers.model.build import build_model, parameter_counts
from trainers.model.evaluation import HeldOutSet, Tally, evaluate
from trainers.model.mae import MaskedAutoencoder
from trainers.model.shape import BadModel, ModelShape, resolve_shape

__all__ = [
    "BadModel",
    "HeldOutSet",
    "MaskedAutoencoder",
    "ModelShape",
    "Tally",
    "build_model",
    "evaluate",
    "parameter_counts",
    "resolve_shape",
]
