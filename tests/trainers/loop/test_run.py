from trainers.loop import LocalComm, read_trace, run


def test_a_run_learns_and_follows_the_schedule(make_job, schedule):
    job = make_job()
    result = run(job, LocalComm())
    assert result.position == job.budget
    print(result)
    trace = read_trace(job.run_dir)
    assert sorted(trace) == list(range(job.budget))
