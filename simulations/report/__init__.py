"""The report of a whole run as one self-contained HTML page: data in, page out."""

from highstreet.simulations.report.page import render
from highstreet.simulations.report.record import RunRecord

__all__ = ["RunRecord", "render"]
