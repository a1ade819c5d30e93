"""Reports: how long, how large, where and how alone each label was on screen, in numbers that can be checked.

figures.py   the numbers per source and label: interval arithmetic
heat.py      where on the picture
targets.py   presence that was promised, and the absences that break it
rates.py     a rate card, for money
tables.py    the same as JSON and CSV
charts.py    timelines and heat maps as SVG
page.py      one self-contained HTML page
"""

from streamfilter.reports.figures import Figures, SourceReport, report_sources
from streamfilter.reports.page import report_page
from streamfilter.reports.rates import RateCard, load_rates
from streamfilter.reports.tables import report_csv, report_json
from streamfilter.reports.targets import Target, Verdict, check_target, parse_target

__all__ = [
    "Figures",
    "RateCard",
    "SourceReport",
    "Target",
    "Verdict",
    "check_target",
    "load_rates",
    "parse_target",
    "report_csv",
    "report_json",
    "report_page",
    "report_sources",
]
