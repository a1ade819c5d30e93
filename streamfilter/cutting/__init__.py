"""The filter as a filter: a video cut to the parts with a logo, to those without it, or with the logo hidden.

index.py    the packets of the video stream, and whether they can be trusted
spans.py    which frames stay, and where in the result they go: pure
plan.py     which packets are copied and which groups of pictures are encoded anew: pure
h264.py     parameter sets and NAL units
smart.py    copies H.264 but for the edges
whole.py    encodes everything anew, for all that cannot be copied
hide.py     blurs or pixelates boxes in a picture
cut.py      `cut_video`: chooses between the two, and writes
"""

from streamfilter.cutting.cut import CutResult, cut_video, hide_in_video
from streamfilter.cutting.hide import Hidden

__all__ = ["CutResult", "Hidden", "cut_video", "hide_in_video"]
