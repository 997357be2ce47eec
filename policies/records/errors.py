"""Errors named after what the caller should do next."""


class BadReport(ValueError):
    """A report cannot be used: mend it and send it again. The policy is as it was before."""


class BadSetup(ValueError):
    """A policy, domain, schedule or plan was described wrongly: mend the description."""
