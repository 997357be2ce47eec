"""The main job: from a configuration to a trained model, a journal and a page that tells what happened."""

from service.pretrain.command import Request, pretrain

__all__ = ["Request", "pretrain"]
