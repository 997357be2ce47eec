"""Errors named after what the caller should do next."""


class BadReport(ValueError):
    """A report cannot be used: mend it and send it again. The policy is as it was before."""


class OtherDraws(BadReport):
    """A position that was answered comes again with other draws: send the same, or start a new attempt."""


class BadSetup(ValueError):
    """A policy, domain, schedule or plan was described wrongly: mend the description."""
