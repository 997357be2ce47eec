"""Runs as jobs of a Ray cluster: sent, watched, stopped. A run outlives the laptop that sent it."""

from service.jobs.errors import BadJob, JobEnded, JobsUnreachable
from service.jobs.jobs import Cluster, Job

__all__ = ["BadJob", "Cluster", "Job", "JobEnded", "JobsUnreachable"]
