"""Damage to media files: blind (bits, cuts, splices, numbers in heads) and by structure (boxes, elements, packets)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1)
_BOXES_OF_BOXES = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta", b"mvex", b"moof", b"traf"}
_MASTERS = {
    *(0x18538067, 0x1F43B675, 0x1654AE6B, 0x1549A966, 0x1C53BB6B, 0x114D9B74, 0x1254C367),
    *(0xAE, 0xA0, 0xE0, 0xBB, 0xB7, 0x4DBB, 0x7373, 0x63C0, 0x67C8),
}
_TS_PACKET = 188


@dataclass(frozen=True)
class Piece:
    """A part of a file that says what it is: its bytes from `start` to `end`, the length of its head, where its size
    stands in the head (None: nowhere)."""

    start: int
    head: int
    end: int
    size: tuple[int, int] | None


def mutated(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """One wound or two, rarely more; by structure in half of the files that have one that is known."""
    data = bytearray(content)
    pieces = pieces_of(content)
    while True:
        if pieces and chance.random() < 0.5:
            _wound_piece(data, chance.choice(pieces), pieces, chance)
        else:
            chance.choice(_WOUNDS)(data, others, chance)
        pieces = []  # where they are is not known any more
        if chance.random() < 0.6:
            return bytes(data)


def pieces_of(content: bytes) -> list[Piece]:
    """The boxes, elements or packets of a file; none where its structure is not known here."""
    if content[4:8] in (b"ftyp", b"wide", b"mdat", b"moov"):
        return list(_boxes(content, 0, len(content)))
    if content[:4] == b"\x1a\x45\xdf\xa3":
        return list(_elements(content, 0, len(content)))
    if content[:1] == content[_TS_PACKET : _TS_PACKET + 1] == b"\x47":
        return [Piece(at, 4, at + _TS_PACKET, None) for at in range(0, len(content) - _TS_PACKET + 1, _TS_PACKET)]
    return []


def _boxes(content: bytes, start: int, end: int) -> Iterator[Piece]:
    while end - start >= 8:
        size = int.from_bytes(content[start : start + 4])
        if not 8 <= size <= end - start:
            return
        yield Piece(start, 8, start + size, (start, 4))
        if content[start + 4 : start + 8] in _BOXES_OF_BOXES:
            yield from _boxes(content, start + 8, start + size)
        start += size


def _elements(content: bytes, start: int, end: int) -> Iterator[Piece]:
    while end - start >= 2:
        id_length, size_length = (_vint_length(content, start), 0)
        if id_length and start + id_length < end:
            size_length = _vint_length(content, start + id_length)
        if not size_length:
            return
        head = id_length + size_length
        size = int.from_bytes(content[start + id_length : start + head]) & ((1 << 7 * size_length) - 1)
        stop = min(end, start + head + size)
        yield Piece(start, head, stop, (start + id_length, size_length))
        if int.from_bytes(content[start : start + id_length]) in _MASTERS:
            yield from _elements(content, start + head, stop)
        start = stop


def _vint_length(content: bytes, at: int) -> int:
    """How many bytes a number of EBML takes, 0 for none."""
    first = content[at]
    return 9 - first.bit_length() if first else 0


def _wound_piece(data: bytearray, piece: Piece, pieces: Sequence[Piece], chance: random.Random) -> None:
    kind = chance.randrange(6)
    body = slice(piece.start, piece.end)
    if kind == 0:
        del data[body]
    elif kind == 1:
        data[piece.start : piece.start] = data[body] * chance.randrange(1, 4)
    elif kind == 2:
        other = chance.choice(pieces)
        data[body] = data[other.start : other.end]
    elif kind == 3 and piece.size is not None:
        at, length = piece.size
        data[at : at + length] = (chance.choice(_EXTREMES) & ((1 << 8 * length) - 1)).to_bytes(length)
    elif kind == 4:
        data[piece.start + chance.randrange(piece.head)] = chance.randrange(256)
    else:
        _write_number(data, chance, piece.start, piece.end)


def _flip(data: bytearray, others: Sequence[bytes], chance: random.Random) -> None:
    for _ in range(2 ** chance.randrange(8)):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _cut(data: bytearray, others: Sequence[bytes], chance: random.Random) -> None:
    """The end is gone, or a part of the middle."""
    start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    del data[start : end if chance.random() < 0.6 else len(data)]


def _splice(data: bytearray, others: Sequence[bytes], chance: random.Random) -> None:
    """A part of any clip is put in, or over what is there."""
    other = chance.choice(others)
    start, end = sorted(chance.randrange(len(other) + 1) for _ in range(2))
    at = chance.randrange(len(data) + 1)
    data[at : at + (end - start if chance.random() < 0.5 else 0)] = other[start:end]


def _shuffle(data: bytearray, others: Sequence[bytes], chance: random.Random) -> None:
    """Two neighbouring parts change places."""
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(3))
    first, second = (bytes(data[start:end]) for start, end in pairwise(cuts))
    data[cuts[0] : cuts[2]] = second + first


def _rewrite_head(data: bytearray, others: Sequence[bytes], chance: random.Random) -> None:
    for _ in range(chance.randrange(1, 5)):
        _write_number(data, chance, 0, min(len(data), 2048))


def _write_number(data: bytearray, chance: random.Random, start: int, end: int) -> None:
    length = chance.choice((1, 2, 4, 8))
    if end - start >= length:
        at = chance.randrange(start, end - length + 1)
        number = chance.choice(_EXTREMES) & ((1 << 8 * length) - 1)
        data[at : at + length] = number.to_bytes(length, chance.choice(("big", "little")))


_Wound = Callable[[bytearray, Sequence[bytes], random.Random], None]
_WOUNDS: tuple[_Wound, ...] = (_flip, _flip, _flip, _cut, _splice, _shuffle, _rewrite_head)
