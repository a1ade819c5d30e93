"""A camera for tests: an RTSP server that plays one H.264 clip for ever, as live. Needs the system's Python.

    /usr/bin/python3 tests/rtsp_server.py CLIP.mp4 --port 8554 [--sound] [--user NAME --password WORD] [--rate 25]
        [--diary FILE]

It plays at /live, says `listening` on stdout when clients may come, and ends with its process. The clip has no
B-frames: its pictures are sent one after the other at the given rate, with times that go on from round to round. The
diary gets a line when clients may come and one for each picture, with the monotonic time of this machine.
"""

import argparse
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - the versions must be named first

AS_BYTES = "h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au"
PICTURE = "appsrc name=camera is-live=true format=time do-timestamp=false ! h264parse ! rtph264pay name=pay0 pt=96"
SOUND = "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8"

MOST_BEHIND = 25


def pictures_of(clip: str) -> "tuple[Gst.Caps, list[tuple[bytes, bool]]]":
    """The coded pictures of a clip, each with whether it is a key picture."""
    pipeline = Gst.parse_launch(f'filesrc location="{clip}" ! qtdemux ! {AS_BYTES} ! appsink name=out sync=false')
    sink = pipeline.get_by_name("out")
    pipeline.set_state(Gst.State.PLAYING)
    found, caps = [], None
    while (sample := sink.emit("pull-sample")) is not None:
        buffer, caps = sample.get_buffer(), sample.get_caps()
        is_key = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        found.append((buffer.extract_dup(0, buffer.get_size()), is_key))
    pipeline.set_state(Gst.State.NULL)
    return caps, found


class Diary:
    """What happened when, in a file or nowhere."""

    def __init__(self, path: str | None) -> None:
        self.file = open(path, "a", buffering=1) if path else None  # noqa: PTH123, SIM115 - until the process ends

    def note(self, what: str) -> None:
        if self.file is not None:
            self.file.write(f"{time.monotonic():.4f} {what}\n")


class Camera(GstRtspServer.RTSPMediaFactory):
    """One picture every 1/rate seconds into whatever the clients share."""

    def __init__(self, clip: str, *, rate: float, sound: bool, diary: "Diary") -> None:
        super().__init__()
        self.diary = diary
        self.caps, self.pictures = pictures_of(clip)
        self.step = int(Gst.SECOND / rate)
        picture = (
            "appsrc name=camera is-live=true format=time do-timestamp=false ! h264parse ! rtph264pay name=pay0 pt=96"
        )
        self.set_launch(f"( {picture} {SOUND if sound else ''} )")
        self.set_shared(True)
        self.connect("media-configure", self.begin)

    def begin(self, _factory: object, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_by_name("camera")
        source.set_property("caps", self.caps)
        began, pushed, skipped = GLib.get_monotonic_time(), 0, 0

        def push() -> bool:
            """All pictures that are due: after a stall only the last ones, since a camera does not go back in time."""
            nonlocal pushed, skipped
            due = (GLib.get_monotonic_time() - began) * 1000 // self.step - skipped
            if due - pushed > MOST_BEHIND:
                skipped += due - pushed - 1
                due = pushed + 1
            while pushed < due:
                content, is_key = self.pictures[pushed % len(self.pictures)]
                buffer = Gst.Buffer.new_wrapped(content)
                buffer.pts = buffer.dts = (pushed + skipped) * self.step
                buffer.duration = self.step
                if not is_key:
                    buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
                pushed += 1
                self.diary.note("picture")
                if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return False
            return True

        GLib.timeout_add(self.step // Gst.MSECOND // 2, push)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("clip")
    parser.add_argument("--port", required=True)
    parser.add_argument("--rate", type=float, default=25)
    parser.add_argument("--sound", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--diary")
    asked = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=asked.port)
    diary = Diary(asked.diary)
    camera = Camera(asked.clip, rate=asked.rate, sound=asked.sound, diary=diary)
    if asked.user:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(asked.user, asked.password), token)
        server.set_auth(auth)
        access = GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_role("viewer")
        for what in (access, GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT):
            permissions.add_permission_for_role("viewer", what, True)
        camera.set_permissions(permissions)
    server.get_mount_points().add_factory("/live", camera)
    if not server.attach(None):
        raise SystemExit(f"port {asked.port} is taken")
    diary.note("listening")
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


main()
