"""Every policy in the registry passes the cases that a user can run on a policy of his own."""

import functools

import pytest

from policies import available_policies, check_policy, make_policy
from policies.conformance import cases
from policies.simple import Uniform

CASES = dict(cases())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", available_policies())
def test_policy_passes(name, case):
    CASES[case](functools.partial(make_policy, name))


def test_a_policy_that_forgets_is_caught():
    class Forgetful(Uniform):
        def _decide(self, position):
            self._refits += 1
            return super()._decide(position)

    with pytest.raises(AssertionError, match="conformance case 'repeats'"):
        check_policy(Forgetful)
