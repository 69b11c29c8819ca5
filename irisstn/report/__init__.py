"""HTML pages, all made with Jinja: each has a template that extends `base.html`, and a module that fills it.

folder        folder.html, the page of an output folder; with rows.py (its data), figures.py (a table of numbers) and
              pictures.py (pictures that a page carries)
evaluation    the files of `irisstn evaluate`; with evaluated_runs.py, rates_table.py, comparison.py (changes picture by
              picture), false_matches.py, plots.py, and evaluation_page.py, which fills evaluation.html
training      training.html, the curves and sample pictures of a training run
templates     fills a template

The folder `assets` has the style sheets and scripts, which each page carries. A page loads nothing from a network, as
its Content-Security-Policy says: pictures come from the page, from files beside it, or from where the inputs are.
"""

from irisstn.report.folder import write_report

__all__ = ["write_report"]
