"""The regression gate: is a candidate surely worse than a baseline, or can that not be told?

Reads two folders of records and judges; loads no framework. `bench.gate.rerun` times the
hot path of two checkouts in processes of their own.
"""

from bench.gate.baseline import note_reason, refuse_unexplained
from bench.gate.check import Report, check
from bench.gate.text import plain_report, render
from bench.gate.verdict import EXIT_CODES, Verdict, worst

__all__ = [
    "EXIT_CODES",
    "Report",
    "Verdict",
    "check",
    "note_reason",
    "plain_report",
    "refuse_unexplained",
    "render",
    "worst",
]
