"""Scaling and transfer laws: what they say, how they are fitted, how sure they are."""

from policies.laws.fit import fit_joint_law, fit_rows
from policies.laws.joint import JointLaw, Prediction
from policies.laws.rows import Rows
from policies.laws.warm import WarmStart

__all__ = ["JointLaw", "Prediction", "Rows", "WarmStart", "fit_joint_law", "fit_rows"]
