"""What of a source is read, and what it may ask for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from streamfilter.config.section import Seconds, Section

# What recordings come in. Left out: what names other files or addresses (playlists, sequences of pictures), devices,
# scripts, and the hundreds of formats that nobody sends but an attacker.
_FORMATS = """
    apng asf avi dnxhd dv flv gif gxf h261 h263 h264 hevc ivf m4v matroska mjpeg mov mpeg mpegts mpegvideo mxf nut obu
    ogg rm vc1 vvc yuv4mpegpipe
"""
_CODECS = """
    apng av1 cfhd dnxhd dvvideo ffv1 ffvhuff flv gif h261 h263 h263i h263p h264 hevc huffyuv jpeg2000 libdav1d libvpx
    libvpx-vp9 mjpeg mpeg1video mpeg2video mpeg4 mpegvideo msmpeg4 msmpeg4v1 msmpeg4v2 png prores qtrle rawvideo rv10
    rv20 rv30 rv40 svq1 svq3 theora utvideo v210 vc1 vp6 vp6a vp6f vp8 vp9 vvc wmv1 wmv2 wmv3
    aac aac_latm ac3 adpcm_ima_qt adpcm_ima_wav adpcm_ms adpcm_swf alac amrnb amrwb cook dca eac3 flac libopus mp1float
    mp2 mp2float mp3 mp3float nellymoser opus pcm_alaw pcm_bluray pcm_dvd pcm_f32be pcm_f32le pcm_mulaw pcm_s16be
    pcm_s16le pcm_s24be pcm_s24le pcm_s32be pcm_s32le pcm_s8 pcm_u8 s302m speex truehd vorbis wmapro wmav1 wmav2
"""

_Name = Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=50)]


class SourceLimits(Section):
    """What a source may ask for, since it may be hostile. One that asks for more is refused, or given up there."""

    patience_s: Annotated[float, Field(ge=0.1, le=86_400)] = Field(
        60.0, description="A source that cannot be opened, or from which no packet comes, for so long is given up."
    )
    duration_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        7 * 86_400.0, description="Most stream time, in seconds."
    )
    rate_hz: int = Field(1000, ge=1, le=1_000_000, description="Most frames in a second of stream time.")
    streams: int = Field(256, ge=1, le=10_000, description="Most streams in a container, of any kind.")
    block_mib: int = Field(
        512, ge=1, le=2047, description="Most memory that FFmpeg takes at once, for a picture or a packet, in MiB."
    )
    memory_mib: int = Field(
        4096, ge=512, le=1 << 20, description="Address space of a decoder's process, in MiB; with source.isolate only."
    )
    formats: tuple[_Name, ...] = Field(
        tuple(_FORMATS.split()), min_length=1, description="Containers that are opened, by FFmpeg's names."
    )
    codecs: tuple[_Name, ...] = Field(
        tuple(_CODECS.split()), min_length=1, description="Decoders that are used, by FFmpeg's names."
    )


class SourceConfig(Section):
    """What part of a source is read, and what it may ask for."""

    start_s: Seconds = Field(0.0, description="Where to begin, in seconds of stream time.")
    end_s: Seconds | None = Field(None, description="Where to stop, in seconds of stream time; null: at the end.")
    deinterlace: Literal["auto", "never", "always"] = Field(
        "auto", description="Deinterlace when the decoder says a frame is interlaced, never, or always."
    )
    threads: int = Field(0, ge=0, le=64, description="Decoder threads; 0: four, on any machine.")
    discard: Literal["none", "nonref"] = Field(
        "none",
        description="nonref: leave out frames that no other needs, half of usual H.264; edges and cuts are then as "
        "exact as what is left.",
    )
    max_pixels: int = Field(
        8192 * 8192, ge=1, description="Pictures with more pixels than this are refused, in pixels."
    )
    isolate: bool = Field(
        False,
        description="Decode in a process of its own: a decoder that crashes or hangs then fails only its source.",
    )
    limits: SourceLimits = SourceLimits()

    @model_validator(mode="after")
    def _ends_after_start(self) -> SourceConfig:
        if self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError(f"end_s {self.end_s} must be greater than start_s {self.start_s}")
        return self
