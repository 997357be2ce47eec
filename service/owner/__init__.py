"""The owner of an allocation: a lock, a journal and a policy, and nothing else."""

from service.owner.owner import Owner, Spec
from service.owner.schedule import Schedules
from service.owner.steering import MODES, Steering, apply_pins

__all__ = ["MODES", "Owner", "Schedules", "Spec", "Steering", "apply_pins"]
