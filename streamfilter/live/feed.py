"""`LiveFeed`: connection after connection, one stream of frames and gaps that never ends by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from av import Packet, VideoFrame
from av.stream import Stream

from streamfilter.config import RunConfig
from streamfilter.errors import SourceError
from streamfilter.live.backoff import Backoff
from streamfilter.live.bursts import is_unwanted
from streamfilter.live.clock import LiveClock, LiveMark, LiveMoment
from streamfilter.live.connection import Arrived, Connection
from streamfilter.live.counters import FeedCounters
from streamfilter.live.faults import Cause, FeedLostError
from streamfilter.live.roster import Feed
from streamfilter.live.tap import PacketTap
from streamfilter.live.wallclock import WallClock
from streamfilter.source.geometry import Orientation, displayed_size
from streamfilter.source.picture import Converter, DecodedPicture, orientation_in
from streamfilter.source.reading import check_size
from streamfilter.stages import SourceFacts
from streamfilter.types import Frame, Gap

TIME_BASE = Fraction(1, 1_000_000)
"""Of a feed's PTS: those of its connections have nothing to do with each other, so its frames get new ones."""

_TICKS_PER_S = TIME_BASE.denominator

_TELL_EVERY_S = 1.0
"""How often a feed that is lost says so, that what was open can end."""

_MOST_UNPLACED = 2000


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection has yielded its first picture, at `time_s` of stream time."""

    facts: SourceFacts
    time_s: float


@dataclass(frozen=True, slots=True)
class Lost:
    """The feed is not to be had since `time_s` of stream time; it is tried again in `retry_s`."""

    cause: Cause
    reason: str
    time_s: float
    retry_s: float


@dataclass(frozen=True, slots=True)
class _Laid:
    """How the pictures of a sequence are displayed. `coded`: width and height as they were coded."""

    coded: tuple[int, int]
    width: int
    height: int
    orientation: Orientation


class LiveFeed:
    """One feed. `frames` runs in the thread of whoever reads it; the rest may be asked from others.

    `tell` hears of what becomes of the feed, in that thread, when it is news: a feed that stays lost for one cause is
    told once. It may be set before `frames` is read. `mark` is where an earlier run got to; `fingerprint` tells this
    feed in this run from all others.
    """

    def __init__(
        self,
        feed: Feed,
        config: RunConfig,
        *,
        fingerprint: str,
        tell: Callable[[Opened | Lost], None] = lambda news: None,
        tap: PacketTap | None = None,
        mark: LiveMark | None = None,
        counters: FeedCounters | None = None,
        wall: WallClock | None = None,
    ) -> None:
        self.name = feed.name
        self.counters = counters or FeedCounters()
        self.wall = wall or WallClock()
        self._address = feed.address
        self._config = config
        self.fingerprint = fingerprint
        self.tell = tell
        self._tap = tap
        self._clock = LiveClock(mark=mark)
        self._backoff = Backoff(config.live)
        self._converter = Converter()
        self._stopped = threading.Event()
        self._cause = Cause.RESTART if mark is not None else None
        self._told: tuple[Cause, str] | None = None
        self._unplaced: list[Packet[Stream]] = []
        self._laid: _Laid | None = None

    def __repr__(self) -> str:
        return f"LiveFeed({self.name!r})"

    def stop(self) -> None:
        """End `frames` at the next packet, or at the end of the wait that it is in."""
        self._stopped.set()

    @property
    def mark(self) -> LiveMark | None:
        """Where the feed has got to; None before its first frame."""
        return self._clock.mark

    def frames(self) -> Iterator[Frame | Gap]:
        """Frames in time order, until it is stopped, and a `Gap` where some were lost.

        While the feed is lost, a gap that begins at its last frame comes every second, longer each time, and once more
        when it is back.
        """
        while not self._stopped.is_set():
            self.counters.alive_at_s = time.monotonic()
            try:
                yield from self._connected()
            except FeedLostError as lost:
                fault = lost
            except SourceError as error:
                fault = FeedLostError(Cause.UNSUPPORTED, str(error))
            except Exception as error:  # noqa: BLE001 - whatever it is: this feed is tried again, and no other suffers
                fault = FeedLostError(Cause.BROKEN, f"an error in its reader ({type(error).__name__})")
            else:
                return
            yield from self._wait(fault)

    def _connected(self) -> Iterator[Frame | Gap]:
        """One connection; returns only when it was stopped."""
        with Connection(self._address, self._config.live, self._config.source, self.counters) as connection:
            self._clock.connect(rate_hz=connection.rate_hz)
            self.wall.connect()
            self._laid = None
            self._unplaced.clear()
            if self._tap is not None:
                self._tap.begin(connection.streams)
            try:
                yield from self._frames(connection)
            finally:
                if self._tap is not None:
                    self._tap.end()

    def _frames(self, connection: Connection) -> Iterator[Frame | Gap]:
        is_first = True
        for arrived in connection.frames(self._tapped(connection.packets()), self._may_wait):
            moment, arrived_s = self._placed(arrived, connection)
            picture = self._picture(arrived, connection)
            if moment.lost_from_s is not None:
                late = Cause.OVERLOAD if connection.has_passed_over else Cause.SILENT
                yield Gap(moment.lost_from_s, moment.time_s, str(self._cause or late))
            elif moment.jumped:
                yield Gap(moment.time_s, moment.time_s, "clock_jump")
            connection.has_passed_over = False
            if is_first:
                self._opened(connection, picture, moment)
                is_first = False
            self.counters.frames += 1
            self.counters.frames_without_pts += arrived.pts_s is None
            self.counters.seen_at_s = arrived_s
            pts = round(moment.time_s * _TICKS_PER_S)
            yield Frame(moment.time_s, pts, TIME_BASE, arrived.item.is_key, picture)
            if self._stopped.is_set():
                return

    def _may_wait(self, pts_s: float, is_key: bool) -> bool:
        """Whether nobody looks at this picture or one that was not decoded before it."""
        time_s, mark = self._clock.seconds(pts_s), self._clock.mark
        if time_s is None or mark is None:
            return False
        return is_unwanted(self._config.sampler.rate, time_s, since_s=mark.time_s, is_key=is_key)

    def _placed(self, arrived: Arrived, connection: Connection) -> tuple[LiveMoment, float]:
        arrived_s = arrived.arrived_s
        if connection.is_paced:
            arrived_s = self._its_time(arrived)
        moment = self._clock.place(arrived.pts_s, arrived_s)
        self.wall.arrived(moment.time_s, time.time() - (time.monotonic() - arrived_s))
        zero_s = connection.utc_of_zero_s
        if zero_s is not None and arrived.pts_s is not None:
            self.wall.reported(moment.time_s, zero_s + arrived.pts_s)
        return moment, arrived_s

    def _its_time(self, arrived: Arrived) -> float:
        """When a frame of a feed that comes in pieces is due; waits until then."""
        now_s = time.monotonic()
        time_s = None if arrived.pts_s is None else self._clock.seconds(arrived.pts_s)
        mark = self._clock.mark
        if time_s is None or mark is None:
            return now_s
        due_s = mark.arrived_s + time_s - mark.time_s
        if not 0 < due_s - now_s < self._config.live.connect_s:
            return now_s
        self._stopped.wait(due_s - now_s)
        return due_s

    def _opened(self, connection: Connection, picture: DecodedPicture, moment: LiveMoment) -> None:
        self._backoff.succeeded()
        self._cause = self._told = None
        self.counters.connections += 1
        self.counters.state = "open"
        facts = SourceFacts(
            name=self.name,
            fingerprint=self.fingerprint,
            container=connection.container_name,
            codec=connection.stream.codec_context.codec.canonical_name,
            width=picture.width,
            height=picture.height,
            duration_s=None,
            rate_hz=connection.rate_hz,
            time_base=TIME_BASE,
            has_audio=len(connection.streams) > 1,
            is_live=True,
        )
        self.tell(Opened(facts, moment.time_s))

    def _picture(self, arrived: Arrived, connection: Connection) -> DecodedPicture:
        frame = arrived.item.frame
        coded = (frame.width, frame.height)
        laid = self._laid
        # Only a key picture begins a new sequence, which may be laid another way: not every picture is asked.
        if laid is None or arrived.item.is_key or laid.coded != coded:
            laid = self._laid = self._laid_as(frame, connection)
        return DecodedPicture(
            frame, self._converter, width=laid.width, height=laid.height, orientation=laid.orientation
        )

    def _laid_as(self, frame: VideoFrame, connection: Connection) -> _Laid:
        coded = (frame.width, frame.height)
        check_size(self.name, coded, max_pixels=self._config.source.max_pixels)
        orientation = orientation_in(frame)
        aspect = connection.stream.codec_context.sample_aspect_ratio
        width, height = displayed_size(*coded, aspect=aspect, orientation=orientation)
        check_size(self.name, (width, height), max_pixels=self._config.source.max_pixels)
        return _Laid(coded, width, height, orientation)

    def _tapped(self, packets: Iterator[tuple[Packet[Stream], float]]) -> Iterator[tuple[Packet[Stream], float]]:
        for packet, arrived_s in packets:
            if self._tap is not None:
                self._hand_on(packet, self._tap)
            yield packet, arrived_s
            if self._stopped.is_set():
                return

    def _hand_on(self, packet: Packet[Stream], tap: PacketTap) -> None:
        """Give packets to the tap once their stream time is known: those before the first frame wait for it."""
        self._unplaced.append(packet)
        if self._clock.seconds(0.0) is None and len(self._unplaced) < _MOST_UNPLACED:
            return
        # One without a time, as the first often is, was shown before the one that follows it.
        known_s, times_s = self._clock.reached_s(time.monotonic()), list[float]()
        for one in reversed(self._unplaced):
            ticks = one.pts if one.pts is not None else one.dts
            placed_s = None if ticks is None else self._clock.seconds(float(ticks * one.time_base))
            known_s = known_s if placed_s is None else placed_s
            times_s.append(known_s)
        for one, time_s in zip(self._unplaced, reversed(times_s), strict=True):
            tap.take(one, time_s)
        self._unplaced.clear()

    def _wait(self, fault: FeedLostError) -> Iterator[Gap]:
        """Until the next try."""
        retry_s = self._backoff.wait_s(fault.cause)
        self._cause = self._cause or fault.cause
        self.counters.failures += 1
        self.counters.state = str(fault.cause)
        if self._told != (fault.cause, fault.reason):
            self._told = (fault.cause, fault.reason)
            mark = self._clock.mark
            self.tell(Lost(fault.cause, fault.reason, 0.0 if mark is None else mark.end_s, retry_s))
        until_s = time.monotonic() + retry_s
        while not self._stopped.is_set() and (left_s := until_s - time.monotonic()) > 0:
            yield from self._so_far()
            self._stopped.wait(min(left_s, _TELL_EVERY_S))
        yield from self._so_far()

    def _so_far(self) -> Iterator[Gap]:
        """The gap that is open, as long as it is by now."""
        now_s = self.counters.alive_at_s = time.monotonic()
        mark = self._clock.mark
        if mark is not None and self._cause is not None:
            yield Gap(mark.end_s, self._clock.reached_s(now_s), str(self._cause))
