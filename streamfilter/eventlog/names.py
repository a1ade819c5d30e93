"""Texts from a log where they could do harm: as names of files, and on screens."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

MOST_BYTES = 80
"""Of a safe name in UTF-8: leaves room for a number and a suffix below the 255 that file systems allow."""

# Letters and digits of every script, and what joins them; everything else becomes one dash.
_UNSAFE = re.compile(r"[^\w.+-]+")
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))})
# Controls, format characters (those that turn the direction of writing among them), surrogates, line separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def safe_name(text: str, *, default: str = "unnamed") -> str:
    """A name for one file or folder made from any text: no separator, no leading dot, no control, no device name.

    Texts that differ give names that differ: whatever had to be changed gets a short digest of the whole. At most
    `MOST_BYTES` bytes of UTF-8. A plain text (`Coca-Cola`) stays as it is.
    """
    name = _UNSAFE.sub("-", unicodedata.normalize("NFC", text)).strip("-.") or default
    cut = name.encode("utf-8", "replace")[:MOST_BYTES].decode("utf-8", "ignore")
    if cut == text and cut.lower().split(".")[0] not in _DEVICES:
        return cut
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    stem = name.encode("utf-8", "replace")[: MOST_BYTES - 9].decode("utf-8", "ignore")
    return f"{stem}-{digest}"


def short_names(names: Sequence[str]) -> list[str]:
    """The end of each path that tells it from the others: file names, with as many folders as that takes.

    Equal names stay equal. Both kinds of separator are known, since a log may come from anywhere.
    """
    parts = {name: [part for part in re.split(r"[/\\]", name) if part] or [name] for name in names}
    tails = Counter(tuple(own[-n:]) for own in parts.values() for n in range(1, len(own) + 1))

    def short(own: list[str]) -> str:
        alone = (own[-n:] for n in range(1, len(own)) if tails[tuple(own[-n:])] == 1)
        return "/".join(next(alone, own))

    return [short(parts[name]) for name in names]


def shown(text: str, most: int = 200) -> str:
    """A text of a log as one line that hides nothing: controls and marks of direction become `\\u202e`, long ones end.

    It is still plain text: whoever writes HTML, CSV or XML escapes it as well.
    """
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(f"\\u{ord(char):04x}" if unicodedata.category(char) in _HIDDEN else char for char in cut)
