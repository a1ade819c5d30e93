"""H.264 at the level of NAL units: what a packet holds, and two sets of parameters in one stream.

ITU-T H.264 (7.3 syntax, 7.4.1 NAL units) and ISO/IEC 14496-15 (5.3.3 the decoder configuration record, `avcC`). What
is encoded anew gets parameter sets with an id of its own, and the result carries both: a decoder changes from the one
to the other at an IDR picture, as the standard has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

IDR, SPS, PPS = 5, 7, 8
_START = re.compile(b"\x00\x00\x01")
_HIGH_PROFILES = frozenset({100, 110, 122, 144})


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """Sequence and picture parameter sets, each a NAL unit without start code."""

    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]

    def __or__(self, other: ParameterSets) -> ParameterSets:
        return ParameterSets((*self.sps, *other.sps), (*self.pps, *other.pps))

    @property
    def ids(self) -> frozenset[int]:
        """Ids of the sequence and of the picture parameter sets."""
        return frozenset([*(sps_id(unit) for unit in self.sps), *(pps_id(unit) for unit in self.pps)])


def length_size(extradata: bytes | None) -> int:
    """Bytes of the length before each NAL unit; 0 where start codes part them (Annex B)."""
    return (extradata[4] & 3) + 1 if extradata and len(extradata) > 6 and extradata[0] == 1 else 0


def nal_units(data: bytes, nal_length: int) -> Iterator[bytes]:
    """The NAL units of a packet. A length that reaches beyond the packet ends it."""
    if nal_length == 0:
        yield from _by_start_codes(data)
        return
    at = 0
    while at + nal_length < len(data):
        size = int.from_bytes(data[at : at + nal_length])
        at += nal_length
        if size:
            yield data[at : at + size]
        at += size


def joined(units: Iterator[bytes], nal_length: int) -> bytes:
    """A packet of these NAL units, with start codes where `nal_length` is 0."""
    if nal_length == 0:
        return b"".join(b"\x00\x00\x00\x01" + unit for unit in units)
    return b"".join(len(unit).to_bytes(nal_length) + unit for unit in units)


def has_idr(data: bytes, nal_length: int) -> bool:
    """Whether a packet is an IDR picture: nothing after it refers to anything before it."""
    return any(unit[0] & 31 == IDR for unit in nal_units(data, nal_length))


def parameter_sets(extradata: bytes) -> ParameterSets:
    """The parameter sets of a stream's extra data, in either form. `ValueError` where it is cut off."""
    units = list(_record_units(extradata)) if length_size(extradata) else list(_by_start_codes(extradata))
    return ParameterSets(
        tuple(unit for unit in units if unit[0] & 31 == SPS), tuple(unit for unit in units if unit[0] & 31 == PPS)
    )


def as_record(sets: ParameterSets, original: bytes) -> bytes:
    """Extra data with these parameter sets, in the form of the `original` one."""
    size = length_size(original)
    if size == 0:
        return joined(iter((*sets.sps, *sets.pps)), 0)
    first = original[:5] + bytes([0xE0 | len(sets.sps)])
    body = b"".join(len(unit).to_bytes(2) + unit for unit in sets.sps)
    body += bytes([len(sets.pps)]) + b"".join(len(unit).to_bytes(2) + unit for unit in sets.pps)
    return first + body + _record_tail(original)


def sps_id(unit: bytes) -> int:
    """`seq_parameter_set_id` of a sequence parameter set: after profile, constraints and level."""
    return _exp_golomb(unit[4:])


def pps_id(unit: bytes) -> int:
    """`pic_parameter_set_id` of a picture parameter set."""
    return _exp_golomb(unit[1:])


def _by_start_codes(data: bytes) -> Iterator[bytes]:
    marks = [found.start() for found in _START.finditer(data)]
    for begin, end in zip(marks, [*marks[1:], len(data)], strict=True):
        unit = data[begin + 3 : end].rstrip(b"\x00")
        if unit:
            yield unit


def _record_units(record: bytes) -> Iterator[bytes]:
    at = 5
    for mask in (31, 255):
        number = record[at] & mask
        at += 1
        for _ in range(number):
            size = int.from_bytes(record[at : at + 2])
            if not size or at + 2 + size > len(record):
                raise ValueError("parameter sets are cut off")
            yield record[at + 2 : at + 2 + size]
            at += 2 + size


def _record_tail(record: bytes) -> bytes:
    """What follows the parameter sets: chroma format and bit depths, for the high profiles."""
    if record[1] not in _HIGH_PROFILES:
        return b""
    at = 5
    for mask in (31, 255):
        number = record[at] & mask
        at += 1
        for _ in range(number):
            at += 2 + int.from_bytes(record[at : at + 2])
    return record[at:]


def _exp_golomb(data: bytes) -> int:
    """The first unsigned exponential-Golomb number of a bit string (9.1); emulation bytes cannot come this early."""
    bits = "".join(f"{byte:08b}" for byte in data[:8])
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1
