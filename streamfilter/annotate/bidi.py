"""Puts text into the order in which it is seen: OpenCV draws code points one after the other, from the left.

The parts of Unicode's bidirectional algorithm (UAX #9) that a label on one line needs: right-to-left runs are turned
round, Latin words and numbers in them are not. Arabic letters stay unjoined, for OpenCV's fonts know no other shapes.
"""

from __future__ import annotations

import unicodedata
from itertools import groupby

RIGHT, LEFT, NUMBER, NEUTRAL = "right", "left", "number", "neutral"
_KINDS = {"R": RIGHT, "AL": RIGHT, "L": LEFT, "EN": NUMBER, "AN": NUMBER}
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")


def visual(text: str) -> str:
    """One line of text as it is seen from left to right. Text without right-to-left letters comes back as it is."""
    kinds = _kinds(text)
    if RIGHT not in kinds:
        return text
    base = next(kind for kind in kinds if kind in (RIGHT, LEFT))
    kinds = _settled(kinds, base)
    whole = [(kind, "".join(char for _, char in run)) for kind, run in groupby(zip(kinds, text, strict=True), _first)]
    # Seen from the left: what runs to the right stands in its order, with all that lies inside a run of the other way.
    if base == RIGHT:
        return "".join(_turned(kind, run) for kind, run in reversed(whole))
    parts = [list(part) for _, part in groupby(whole, lambda one: one[0] == LEFT)]
    ordered = [part if part[0][0] == LEFT else part[::-1] for part in parts]
    return "".join(_turned(kind, run) for part in ordered for kind, run in part)


def _kinds(text: str) -> list[str]:
    """Every character's kind; what joins digits (`0.97`, `12:34`) or belongs to a number (`50 %` without the space)."""
    classes = [unicodedata.bidirectional(char) for char in text]
    kinds = [_KINDS.get(one, NEUTRAL) for one in classes]
    digits = [one == "EN" for one in classes]
    for at, one in enumerate(classes):
        before, after = at > 0 and digits[at - 1], at + 1 < len(text) and digits[at + 1]
        if (one in ("CS", "ES") and before and after) or (one == "ET" and (before or after)):
            kinds[at] = NUMBER
    return kinds


def _first(pair: tuple[str, str]) -> str:
    return pair[0]


def _turned(kind: str, run: str) -> str:
    return run[::-1].translate(_MIRRORED) if kind == RIGHT else run


def _settled(kinds: list[str], base: str) -> list[str]:
    """Every character's way: numbers go with Latin letters before them, neutrals with neighbours that agree."""
    numbered = []
    strong = base
    for kind in kinds:
        strong = kind if kind in (RIGHT, LEFT) else strong
        numbered.append(LEFT if kind == NUMBER and strong == LEFT else kind)
    sides = [RIGHT if kind == NUMBER else kind for kind in numbered]
    settled = list(numbered)
    for at, kind in enumerate(numbered):
        if kind == NEUTRAL:
            before = next((one for one in reversed(sides[:at]) if one != NEUTRAL), base)
            after = next((one for one in sides[at + 1 :] if one != NEUTRAL), base)
            settled[at] = before if before == after else base
    return settled
