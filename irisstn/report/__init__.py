"""The page of an output folder."""

from irisstn.report.page import write_report

__all__ = ["write_report"]
