"""The source stage: one container decoded by PyAV into frames with stream time, and gaps where frames were lost.

    discovery ──► opening ──► packets ──► deinterlacing ──► clock ──► Frame(picture)

`find_sources` turns what the user typed into names, `open_source` opens one of them.
"""

from streamfilter.source.discovery import find_sources
from streamfilter.source.file import open_source

__all__ = ["find_sources", "open_source"]
