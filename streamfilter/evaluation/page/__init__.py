"""The report: one page that needs nothing else, neither network nor script.

svg.py      axes and marks
charts.py   histograms, curves, reliability, confusion, map
tables.py   the numbers
gallery.py  the worst mistakes
page.py     all of it in order
"""

from streamfilter.evaluation.page.page import report_page

__all__ = ["report_page"]
