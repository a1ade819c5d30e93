"""HEVC at the level of NAL units. Parameter sets go into the packets, before every picture that a decoder may begin at.

ITU-T H.265 (7.3.1 NAL units) and ISO/IEC 14496-15 (8.3.3 the decoder configuration record, `hvcC`). Two sets of one id
then follow each other, which the standard allows at an IDR picture; the sample entry that says so is `hev1`.
"""

from __future__ import annotations

from streamfilter.cutting.h264 import joined, nal_units

VPS, SPS, PPS = 32, 33, 34
# IDR with or without leading pictures that can be decoded, and pictures where a link was broken (BLA). A CRA is none:
# new parameter sets may not begin at it.
_OPENING = frozenset({16, 17, 18, 19, 20})
_FIXED = 23
"""Bytes of the record before its arrays."""


def unit_type(unit: bytes) -> int:
    """`nal_unit_type`."""
    return unit[0] >> 1 & 63


def length_size(extradata: bytes | None) -> int:
    """Bytes of the length before each NAL unit; 0 where start codes part them (Annex B)."""
    return (extradata[21] & 3) + 1 if extradata and len(extradata) >= _FIXED and extradata[0] == 1 else 0


def opens(data: bytes, nal_length: int) -> bool:
    """Whether a packet is a picture that needs nothing from before it, and nothing after it does."""
    return any(unit_type(unit) in _OPENING for unit in nal_units(data, nal_length))


def parameter_sets(extradata: bytes) -> tuple[bytes, ...]:
    """Video, sequence and picture parameter sets of a stream, in that order. `ValueError` where it is cut off."""
    units = _record_units(extradata) if length_size(extradata) else list(nal_units(extradata, 0))
    sets = [unit for unit in units if unit_type(unit) in (VPS, SPS, PPS)]
    return tuple(sorted(sets, key=unit_type))


def with_sets(data: bytes, sets: tuple[bytes, ...], nal_length: int) -> bytes:
    """A packet with parameter sets in it: its own, where it has some, else `sets`."""
    units = list(nal_units(data, nal_length))
    if any(unit_type(unit) == SPS for unit in units):
        return data
    return joined(iter((*sets, *units)), nal_length)


def _record_units(record: bytes) -> list[bytes]:
    units, at = [], _FIXED
    for _ in range(record[_FIXED - 1]):
        number = int.from_bytes(record[at + 1 : at + 3])
        at += 3
        for _ in range(number):
            size = int.from_bytes(record[at : at + 2])
            if not size or at + 2 + size > len(record):
                raise ValueError("parameter sets are cut off")
            units.append(record[at + 2 : at + 2 + size])
            at += 2 + size
    return units
