"""What each codec needs so that copied and encoded groups of pictures can stand in one stream.

H.264 carries the parameter sets of both kinds in its header, under ids of their own. HEVC carries them in its packets.
Key pictures of VP9 and MPEG-2 hold all that a decoder has to know. Where every picture is a key picture, as in MJPEG or
ProRes, nothing is ever encoded anew.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from typing import Any, Protocol, TypeAlias, cast

from av import FFmpegError, Packet
from av.codec.context import CodecContext, Flags
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from streamfilter.cutting import h264, hevc

EDGE_CRF = 16
"""Quality of what is encoded anew, on the scale of H.264: a step finer than what is around it."""

_FORMATS = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le"})
_MOST_IDS = 32
_EVERY = {".mp4", ".mov", ".mkv", ".ts"}

VideoPacket: TypeAlias = "Packet[VideoStream]"


class CannotCopyError(Exception):
    """Copying does not work for this file, for the reason given: everything has to be encoded anew."""


class Kit(Protocol):
    """How one codec is carried on. `tag`: its name in MP4 and MOV where it cannot stay as it is."""

    tag: str | None

    def encoder(self) -> VideoCodecContext:
        """A new encoder, whose packets come in the order of their pictures and begin with one that opens a group."""

    def header(self) -> bytes:
        """The extra data of the result."""

    def copied(self, packet: VideoPacket) -> VideoPacket:
        """A packet of the source as it goes into the result."""

    def encoded(self, packet: VideoPacket) -> VideoPacket:
        """A packet of the encoder as it goes into the result."""


def kit_for(stream: VideoStream, time_base: Fraction) -> Kit:
    """The kit for a stream. Raises `CannotCopyError`."""
    codec = stream.codec_context
    kind = _KITS.get(codec.codec.canonical_name)
    if kind is None:
        return _Intra(codec.extradata or b"")
    if codec.pix_fmt not in _FORMATS:
        raise CannotCopyError(f"its pictures are {codec.pix_fmt}")
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    return kind(codec, time_base, rate)


def reason_against(codec: str, suffix: str, *, is_intra: bool) -> str | None:
    """Why a codec is not copied into a file of this suffix; None: it is."""
    if codec not in _CONTAINERS or (codec not in _KITS and not is_intra):
        known = ", ".join(_KITS)
        return f"{codec} is not copied here, only {known} and what has key pictures alone (mjpeg, prores, …)"
    if suffix.lower() not in _CONTAINERS[codec]:
        return f"{codec} is not copied into {suffix}"
    return None


def opens_group(codec: str, packet: Packet[Any], nal_length: int) -> bool:
    """Whether what follows a packet needs nothing from before it."""
    if not packet.is_keyframe:
        return False
    if codec == "h264":
        return h264.has_idr(bytes(packet), nal_length)
    return codec != "hevc" or hevc.opens(bytes(packet), nal_length)


def length_size(codec: str, extradata: bytes | None) -> int:
    """Bytes of the length before each NAL unit; 0 where start codes part them, and for codecs without any."""
    sizes = {"h264": h264.length_size, "hevc": hevc.length_size}
    return sizes[codec](extradata) if codec in sizes else 0


class _Encoded(ABC):
    """What the kits share: an encoder with the source's size, colours and clock."""

    tag: str | None = None
    name: str

    def __init__(self, source: VideoCodecContext, time_base: Fraction, rate: Fraction) -> None:
        self._source = source
        self._time_base = time_base
        self._rate = rate
        self._extradata = source.extradata or b""

    def encoder(self) -> VideoCodecContext:
        try:
            codec = cast(VideoCodecContext, CodecContext.create(self.name, "w"))
            self._set_up(codec)
            codec.open()
        except (FFmpegError, ValueError) as error:
            raise CannotCopyError(f"{self.name} does not write pictures like its own") from error
        return codec

    def _set_up(self, codec: VideoCodecContext) -> None:
        source = self._source
        codec.width, codec.height, codec.pix_fmt = source.width, source.height, source.pix_fmt
        codec.time_base, codec.framerate = self._time_base, self._rate
        if source.sample_aspect_ratio:
            codec.sample_aspect_ratio = source.sample_aspect_ratio
        codec.color_range, codec.colorspace = source.color_range, source.colorspace
        codec.color_primaries, codec.color_trc = source.color_primaries, source.color_trc
        codec.options = self.options()

    @abstractmethod
    def options(self) -> dict[str, str]: ...

    def header(self) -> bytes:
        return self._extradata

    def copied(self, packet: VideoPacket) -> VideoPacket:
        return packet

    def encoded(self, packet: VideoPacket) -> VideoPacket:
        return packet


class _H264(_Encoded):
    name = "libx264"

    def __init__(self, source: VideoCodecContext, time_base: Fraction, rate: Fraction) -> None:
        super().__init__(source, time_base, rate)
        self._nal_length = h264.length_size(self._extradata)
        try:
            self._sets = h264.parameter_sets(self._extradata)
        except (ValueError, IndexError):
            self._sets = h264.ParameterSets((), ())
        if not self._sets.sps or not self._sets.pps:
            raise CannotCopyError("its parameter sets cannot be read")
        own_id = next((n for n in range(1, _MOST_IDS) if n not in self._sets.ids), None)
        if own_id is None:
            raise CannotCopyError("its parameter sets leave no free id")
        self._own_id = own_id

    def options(self) -> dict[str, str]:
        fixed = f"sps-id={self._own_id}:sliced-threads=1:rc-lookahead=0:sync-lookahead=0:force-cfr=0"
        return {"crf": str(EDGE_CRF), "preset": "veryfast", "bf": "0", "x264-params": fixed}

    def _set_up(self, codec: VideoCodecContext) -> None:
        super()._set_up(codec)
        codec.flags |= int(Flags.global_header)

    def header(self) -> bytes:
        own = h264.parameter_sets(self.encoder().extradata or b"")
        return h264.as_record(self._sets | own, self._extradata)

    def encoded(self, packet: VideoPacket) -> VideoPacket:
        """NAL units parted as the source's are; with start codes the parameter sets stay in the packet too.

        Such a stream may be joined at any key frame.
        """
        if self._nal_length == 0:
            return packet
        units = (unit for unit in h264.nal_units(bytes(packet), 0) if unit[0] & 31 not in (h264.SPS, h264.PPS))
        return _repacked(packet, h264.joined(units, self._nal_length))


class _Hevc(_Encoded):
    name = "libx265"
    tag = "hev1"

    def __init__(self, source: VideoCodecContext, time_base: Fraction, rate: Fraction) -> None:
        super().__init__(source, time_base, rate)
        self._nal_length = hevc.length_size(self._extradata)
        try:
            self._sets = hevc.parameter_sets(self._extradata)
        except (ValueError, IndexError):
            self._sets = ()
        if {hevc.unit_type(unit) for unit in self._sets} != {hevc.VPS, hevc.SPS, hevc.PPS}:
            raise CannotCopyError("its parameter sets cannot be read")

    def options(self) -> dict[str, str]:
        fixed = "log-level=none:bframes=0:open-gop=0:repeat-headers=1:rc-lookahead=0:keyint=-1:info=0"
        return {"crf": str(EDGE_CRF), "preset": "veryfast", "x265-params": fixed}

    def copied(self, packet: VideoPacket) -> VideoPacket:
        if not packet.is_keyframe:
            return packet
        return _repacked(packet, hevc.with_sets(bytes(packet), self._sets, self._nal_length))

    def encoded(self, packet: VideoPacket) -> VideoPacket:
        if self._nal_length == 0:
            return packet
        return _repacked(packet, h264.joined(h264.nal_units(bytes(packet), 0), self._nal_length))


class _Vp9(_Encoded):
    name = "libvpx-vp9"

    def options(self) -> dict[str, str]:
        speed = {"deadline": "good", "cpu-used": "5", "row-mt": "1"}
        return {"crf": str(EDGE_CRF), "b": "0", "lag-in-frames": "0", "auto-alt-ref": "0", "g": "9999"} | speed


class _Mpeg2(_Encoded):
    name = "mpeg2video"

    def options(self) -> dict[str, str]:
        return {
            "flags": "+qscale+cgop",
            "global_quality": str(2 * 118),
            "bf": "0",
            "g": "300",
            "sc_threshold": "1000000000",
        }

    def _set_up(self, codec: VideoCodecContext) -> None:
        super()._set_up(codec)
        codec.time_base = 1 / self._rate  # it knows no other clock; the packets get their own times afterwards


class _Intra:
    """Key pictures alone: every group is one of them, so that no cut goes through any."""

    tag: str | None = None

    def __init__(self, extradata: bytes) -> None:
        self._extradata = extradata

    def encoder(self) -> VideoCodecContext:
        raise CannotCopyError("its codec is only copied, not written")

    def header(self) -> bytes:
        return self._extradata

    def copied(self, packet: VideoPacket) -> VideoPacket:
        return packet

    def encoded(self, packet: VideoPacket) -> VideoPacket:
        return packet


def _repacked(packet: VideoPacket, data: bytes) -> VideoPacket:
    made = cast("VideoPacket", Packet(data))
    made.is_keyframe = packet.is_keyframe
    return made


_KITS: dict[str, type[_Encoded]] = {"h264": _H264, "hevc": _Hevc, "vp9": _Vp9, "mpeg2video": _Mpeg2}
_CONTAINERS = {
    "h264": _EVERY,
    "hevc": _EVERY,
    "vp9": {".mp4", ".mkv"},
    "mpeg2video": _EVERY,
    "mjpeg": {".mov", ".mkv"},
    "prores": {".mov", ".mkv"},
    "dnxhd": {".mov", ".mkv"},
    "ffv1": {".mkv"},
}
