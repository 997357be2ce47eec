"""Policies that learn nothing: the mixtures every other policy is measured against."""

from policies.simple.constant import Fixed, Proportional, Uniform

__all__ = ["Fixed", "Proportional", "Uniform"]
