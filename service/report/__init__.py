"""What a person sees of a run: one page, a few plain lines, and small figures for the tracker."""

from service.report.learnt import Learnt, learnt
from service.report.svg import refit_figures
from service.report.write import report_page, write_report
from service.story import Story, read_story

__all__ = ["Learnt", "Story", "learnt", "read_story", "refit_figures", "report_page", "write_report"]
