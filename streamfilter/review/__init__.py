"""Review: a person looks at what a run found, in a browser, and says what is right.

    library.py    the events of the given logs, in order, and as columns for the page
    videos.py     which file shows a source: in the given folders only, and only the file that the log was made from
    decisions.py  the review files beside the logs: decisions written, and followed as other windows write them
    evidence.py   why an event is one, in plain words
    pictures.py   frames and thumbnails out of the videos, kept in memory
    lessons.py    what decisions teach
    harvest.py    the pictures of that, taken out of the videos; boxes.py writes where in them
    pieces.py     parts of a video that a browser cannot play, as parts that it can
    guard.py      who may ask: this machine or a token, the right Host, no other origin
    app.py        what is answered
    serving.py    the server
    page/         the page: HTML, CSS and JavaScript as they are, without a build

The server trusts neither the log nor whoever connects. Texts of a log are sent as JSON and shown as text; no name in a
log or in a request is opened as a path unless `videos.py` found that file.
"""

from streamfilter.review.library import Library, read_library
from streamfilter.review.serving import Address, page_url, serve

__all__ = ["Address", "Library", "page_url", "read_library", "serve"]
