"""The annotated video: boxes, labels, scores and a timeline, drawn over the source's own pictures.

track.py      where a box stands at any time
palette.py    one colour per label
text.py       text in every script
timeline.py   the strip along the lower edge
draw.py       all of it on one picture
sound.py      the source's sound, copied or as AAC
mp4.py        pictures and sound into one file
run_mark.py   which run a file belongs to
video.py      the second pass over a file
"""

from streamfilter.annotate.video import annotate_video

__all__ = ["annotate_video"]
