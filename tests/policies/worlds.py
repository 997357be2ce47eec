"""Small trainings with a known truth, for the tests of laws and policies."""

import numpy as np
from scipy.optimize import minimize

from policies import Domain, LossReport, make_policy
from policies.laws.pools import distinct_worth


class World:
    """Losses E + A (x + x0)^-alpha with x = tau S(n; pools); `kind` says what tau and pools are like.

    islands: no transfer, different exponents; hub: the first domain gives half of what their own
    draws give to all others; flat: all alike; pools: sizes over two decades.
    """

    def __init__(self, kind, K, seed, noise, *, budget=20_000, intervals=50):
        rng = np.random.default_rng([seed, K])
        self.K, self.budget, self.interval, self.noise = K, budget, budget // intervals, noise
        self.rng = np.random.default_rng([seed, 99])
        self.names = [f"d{j}" for j in range(K)]
        self.alpha, self.floor, size = rng.uniform(0.25, 0.5, K), rng.uniform(0.1, 0.4, K), rng.uniform(0.3, 1.2, K)
        self.tau, self.pools = np.eye(K), np.full(K, np.inf)
        if kind == "islands":
            self.alpha, size = rng.uniform(0.15, 0.6, K), rng.uniform(0.2, 2.0, K)
        if kind == "hub":
            self.tau[:, 0] = 0.5
            self.tau[0, 0] = 1.0
        if kind == "flat":
            self.alpha, self.floor, size = np.full(K, 0.35), np.full(K, 0.3), np.full(K, 0.7)
            self.tau += 0.1 * (1 - np.eye(K))
        if kind == "pools":
            self.pools = np.round(budget / K * 10 ** rng.uniform(-2, 0, K))
        self.scale = size * (budget / K / 4) ** self.alpha
        self.domains = [
            Domain(name, pool=None if np.isinf(pool) else int(pool))
            for name, pool in zip(self.names, self.pools, strict=True)
        ]

    def losses(self, n):
        x = self.tau @ distinct_worth(np.asarray(n, float), self.pools) + 0.003 * self.budget
        return self.floor + self.scale * x**-self.alpha

    def score(self, n):
        """Mean log loss without noise."""
        return float(np.log(self.losses(n)).mean())

    @property
    def uniform(self):
        return self.score(np.full(self.K, self.budget / self.K))

    @property
    def oracle(self):
        """Score of the best mixture that never changes."""

        def final(logits):
            shares = np.exp(logits - logits.max())
            return self.score(self.budget * shares / shares.sum())

        starts = [np.zeros(self.K), *(2 * np.eye(self.K))]
        return min(minimize(final, start, method="L-BFGS-B").fun for start in starts)

    def report(self, position, n):
        noisy = self.losses(n) * np.exp(self.noise * self.rng.standard_normal(self.K))
        return LossReport(
            position,
            dict(zip(self.names, np.asarray(n, float).tolist(), strict=True)),
            dict(zip(self.names, noisy.tolist(), strict=True)),
        )

    def start(self, name, **options):
        """A new policy for this world."""
        return make_policy(name, self.domains, self.budget, interval=self.interval, **options)

    def follow(self, policy, position, n):
        """Draw one interval as the policy proposes and report at `position`; the new cumulative draws."""
        n = n + self.interval * np.array([policy.propose().weights[name] for name in self.names])
        policy.observe(self.report(position, n))
        return n

    def run(self, name, **options):
        """Final draws, and all decisions, under a policy."""
        policy = self.start(name, **options)
        n, decisions = np.zeros(self.K), []
        for position in range(self.interval, self.budget + 1, self.interval):
            decisions.append(policy.propose())
            n = self.follow(policy, position, n)
        return n, decisions, policy

    def stream(self, part, amplitude=0.5):
        """Cumulative draws and losses of a run that probes in the first fifth, up to `part` of the budget."""
        steps = self.budget // self.interval
        block = max(1, int(0.2 * steps / (2 * self.K)))
        n, draws, losses = np.zeros(self.K), [], []
        for step in range(int(part * steps)):
            shares = np.full(self.K, 1 / self.K)
            front = (step - 2) // block
            if 0 <= front < 2 * self.K:
                shares *= 1 - amplitude
                shares[front % self.K] += amplitude
            n = n + self.interval * shares
            draws.append(n)
            losses.append(self.losses(n) * np.exp(self.noise * self.rng.standard_normal(self.K)))
        return np.array(draws), np.array(losses)
