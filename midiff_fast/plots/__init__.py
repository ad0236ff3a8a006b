"""Figures and the report of an analysed run directory."""

from .catalogue import CATALOGUE
from .data import RunData, load
from .report import report
from .verdict import Verdict, verdict

__all__ = ["CATALOGUE", "RunData", "Verdict", "load", "report", "verdict"]
