"""The online policy that learns what domains give to each other, and acts on it."""

from policies.transfer_law.options import TUNE
from policies.transfer_law.policy import OwnLaw, TransferLaw

__all__ = ["TUNE", "OwnLaw", "TransferLaw"]
