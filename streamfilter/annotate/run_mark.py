"""Which run an annotated video was made for: told in its comment, so that a resumed run knows its own."""

from __future__ import annotations

from pathlib import Path

import av
from av import FFmpegError

_BEGINS = "streamfilter run "
_ONLY_THIS = {"protocol_whitelist": "file", "format_whitelist": "mov"}


def run_mark(run_id: str) -> dict[str, str]:
    """The metadata of a video that belongs to a run."""
    return {"comment": _BEGINS + run_id}


def run_of(path: Path) -> str | None:
    """The run that a video says it belongs to; None for any other file."""
    try:
        with av.open(f"file:{path.absolute()}", container_options=_ONLY_THIS) as container:
            comment = container.metadata.get("comment", "")
    except (FFmpegError, OSError, ValueError):
        return None
    return comment.removeprefix(_BEGINS) if comment.startswith(_BEGINS) else None
