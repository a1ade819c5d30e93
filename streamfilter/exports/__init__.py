"""Events in the formats of other tools, and their corrections back as decisions of a review.

selection.py    what is exported: one source or all, frames and timecodes
tables.py       CSV
timelines.py    EDL (CMX 3600 and Comskip), OpenTimelineIO, FFmetadata chapters, WebVTT
labelling.py    Label Studio, CVAT
datasets.py     FiftyOne temporal detections, COCO, Google's logo recognition
returning.py    corrections from Label Studio and CVAT
"""

from streamfilter.exports.formats import FORMATS, export_text
from streamfilter.exports.returning import Corrections, corrections_from

__all__ = ["FORMATS", "Corrections", "corrections_from", "export_text"]
