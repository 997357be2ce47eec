"""The same number of trial reports into Optuna's RDB storage, from threads of one process, without HTTP."""

from __future__ import annotations

import dataclasses
import random
import time
from concurrent.futures import ThreadPoolExecutor

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from tests.benchmarks.service_load import CONNECTIONS, Done


@dataclasses.dataclass
class Beside:
    """What Optuna did. busy: CPU-seconds of the process in the open loop; most: reports a second with all threads."""

    done: list[Done]
    busy: float
    most: float


def measure(url: str, trials: int, reports: int, rate: float, seed: int) -> Beside:
    """`reports` intermediate values for `trials` running trials: an open loop at `rate`, then as fast as it goes."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_size": CONNECTIONS}
    storage = RDBStorage(url, engine_kwargs=options)
    study = storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], "load")
    ids = [storage.create_new_trial(study) for _ in range(trials)]
    source, steps = random.Random(seed), dict.fromkeys(ids, 0)

    def one(trial: int, step: int, due: float) -> Done:
        storage.set_trial_intermediate_value(trial, step, 1.0 / step)
        return Done("report", time.perf_counter() - due, 200)

    def next_one() -> tuple[int, int]:
        trial = source.choice(ids)
        steps[trial] += 1
        return trial, steps[trial]

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        busy, began, at, asked = time.process_time(), time.perf_counter(), 0.0, []
        for _ in range(reports):
            at += source.expovariate(rate)
            time.sleep(max(0.0, began + at - time.perf_counter()))
            asked.append(pool.submit(one, *next_one(), began + at))
        done = [each.result() for each in asked]
        busy = time.process_time() - busy
        began = time.perf_counter()
        again = [pool.submit(one, *next_one(), began) for _ in range(reports)]
        for each in again:
            each.result()
        most = reports / (time.perf_counter() - began)
    assert all(storage.get_trial(trial).state == TrialState.RUNNING for trial in ids[:1])
    return Beside(done, busy, most)
