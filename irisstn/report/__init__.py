"""HTML pages, all made with Jinja: each has a template that extends `base.html`, and a module that fills it.

folder        folder.html, the page of an output folder; with cards.py (one input) and figures.py (a table of numbers)
evaluation    the files of `irisstn evaluate`; with evaluated_runs.py, rates_table.py, comparison.py (changes picture by
              picture), plots.py, and evaluation_page.py, which fills evaluation.html
training      training.html, the curves and sample pictures of a training run
templates     fills a template

A page loads nothing from elsewhere: pictures that are not beside it are embedded.
"""

from irisstn.report.folder import write_report

__all__ = ["write_report"]
