"""Connects one stream to the scheduler: feeds the core and resolves its windows."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterable

import grpc

from dfd.daemon.errors import StatusError
from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.rpc.emission import Emission
from dfd.daemon.rpc.noted import note
from dfd.daemon.rpc.shedding import ShedWarnings
from dfd.daemon.rpc.turns import Turn, Turns
from dfd.daemon.scheduling.batching import Kind, MemberOutcome, Outcome
from dfd.daemon.scheduling.contract import WindowScheduler
from dfd.daemon.tracing import StreamTrace
from dfd.daemon.watermarks.reader import WatermarkReader
from dfd.daemon.watermarks.stream import StreamWatermarks
from dfd.daemon.wire.events import Timing
from dfd.streaming.judgement.alerts import near_alert
from dfd.streaming.options import SessionOptions
from dfd.streaming.session import StreamSession
from dfd.streaming.state import SessionState
from dfd.streaming.types import (
    Alert,
    ChannelSummary,
    FeedEvent,
    SpeechActivity,
    StreamWarning,
    Window,
    WindowResult,
    WindowStatus,
)

# A window that arrives further ahead of real time than this is not live: it is never shed.
_AHEAD_SECONDS = 0.5


def _nobody(_: Emission) -> None:
    """Discards events after the end."""


class Pipeline:
    """Connects a session with the scheduler; belongs to one event loop.

    Args:
        stream_id: for the log.
        emit: called with events for the client, in order within a channel.
        watermarks: reads windows for watermarks; None reads none.
        keep_state: whether to keep the session's state up to date.
        state: state to continue from.

    Attributes:
        hurried: whether windows were shed so that the stream ends in time.
        trace: trace of the stream; None if it is not traced.

    Raises:
        StatusError: with VAD_UNAVAILABLE.
        ValueError: if the state does not fit this session.
    """

    def __init__(
        self,
        stream_id: str,
        session: SessionOptions,
        options: ServeOptions,
        scheduler: WindowScheduler,
        metrics: Metrics,
        emit: Callable[[Emission], None],
        watermarks: WatermarkReader | None = None,
        *,
        keep_state: bool = False,
        state: SessionState | None = None,
    ) -> None:
        try:
            self.session = StreamSession(session, keep_state=keep_state, state=state)
        except ModuleNotFoundError as error:
            raise StatusError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "VAD_UNAVAILABLE",
                f"this server lacks {error.name}, which vad.engine needs; "
                "use ENGINE_WEBRTC, or install dfd[silero] on the server",
            ) from error
        self._stream_id = stream_id
        self._scheduler = scheduler
        self._metrics = metrics
        self._emit = emit
        self._deadline_seconds = options.deadline_seconds
        # enough that a live stream is shed before it is slowed down
        self._in_flight = max(
            options.windows_in_flight,
            math.ceil(options.deadline_seconds / session.effective_hop_seconds) + 2,
        )
        self._turns = Turns(session.effective_channels)
        self._shed_warnings = ShedWarnings()
        self._progress = asyncio.Event()
        self._started_at: float | None = None
        self._counted_seconds = self.session.audio_seconds
        self.hurried = False
        self._fault: BaseException | None = None
        self._closed = False
        self._lane = scheduler.open_lane()
        self._watermarks = (
            None if watermarks is None else StreamWatermarks(self.session, watermarks, self._tell)
        )
        self.trace: StreamTrace | None = None

    @property
    def has_room(self) -> bool:
        """Whether more audio may be fed."""
        return self._turns.longest < self._in_flight

    @property
    def fault(self) -> BaseException | None:
        """The first exception passed to `fail`."""
        return self._fault

    def feed(self, content: bytes, sample_offset: int | None = None) -> None:
        """Passes audio to the core and its windows to the scheduler.

        Raises:
            StreamError: if the core refuses it.
        """
        now = self._scheduler.clock()
        events = self.session.feed(content, sample_offset)
        self.begin(sample_offset)
        self._take(events, now)

    def begin(self, sample_offset: int | None) -> None:
        """Notes the arrival of the first audio, even if not fed yet: real time counts from it."""
        if self._started_at is None:
            rate = self.session.options.audio_format.sample_rate_hz
            self._started_at = self._scheduler.clock() - (sample_offset or 0) / rate

    def finish(self) -> None:
        """Ends the audio."""
        self._take(self.session.finish(), self._scheduler.clock())

    def stalled(self, seconds: float) -> None:
        """Notes that the stream was kept waiting: its real time starts that much later."""
        if self._started_at is not None:
            self._started_at += seconds

    def fail(self, fault: BaseException) -> None:
        """Ends every wait with this exception; the first one is kept."""
        if self._fault is None:
            self._fault = fault
        self._progress.set()

    def hurry(self) -> None:
        """Sheds what is not scored yet."""
        self.hurried = True
        self._scheduler.cancel_lane(self._lane)
        if self._watermarks is not None:
            self._watermarks.give_up()

    async def until_room(self) -> None:
        """Waits until more audio may be fed.

        Raises:
            BaseException: with what `fail` was given.
        """
        while not self.has_room:
            await self._step()

    async def until_settled(self) -> None:
        """Waits until every window is resolved, and read where it is to be read.

        Raises:
            BaseException: with what `fail` was given.
        """
        while self._turns.longest or not (self._watermarks is None or self._watermarks.settled):
            await self._step()
        if self._fault is not None:
            raise self._fault

    def summary(self) -> list[ChannelSummary]:
        """Returns the summary of each channel."""
        return self.session.summary()

    def close(self) -> None:
        """Leaves the scheduler; call it once, whatever happened."""
        self._closed = True
        # no cycles, so that the stream's audio is freed with it at once
        self._emit = _nobody
        self._fault = None
        self._count_audio()
        self._scheduler.close_lane(self._lane)
        if self._watermarks is not None:
            self._watermarks.give_up()
            self._watermarks = None
        self._turns.drop()

    async def _step(self) -> None:
        if self._fault is not None:
            raise self._fault
        self._progress.clear()
        # windows that wait have due times, and the settling of a stream has a limit
        await self._progress.wait()

    def _take(self, events: Iterable[FeedEvent], now: float) -> None:
        for event in events:
            if not isinstance(event, Window):
                self._tell(event, None, now)
                continue
            if self._watermarks is not None:
                self._watermarks.offer(event, self._progress.set)
            turn = Turn(event, now)
            self._turns.add(turn)
            if event.scoreable:
                self._submit(turn)
            else:
                turn.outcome = Outcome(WindowStatus.INSUFFICIENT_SPEECH)
                self._resolve_ready(event.channel)

    def _submit(self, turn: Turn) -> None:
        window, now = turn.window, turn.arrived_at
        started_at = now if self._started_at is None else self._started_at
        ends_at = started_at + window.end_seconds
        kind = Kind.PATIENT
        if ends_at <= now + _AHEAD_SECONDS:
            kind = Kind.EARLY if window.provisional else Kind.LIVE
        with contextlib.ExitStack() as stack:
            if self.trace is not None:
                turn.span = stack.enter_context(self.trace.window(window))
            future = self._scheduler.submit(
                self._lane,
                window.samples,
                due_at=max(now, ends_at) + self._deadline_seconds,
                kind=kind,
                channel=window.channel,
            )

        def done(future: asyncio.Future[Outcome]) -> None:
            if self._closed:
                return
            try:
                turn.outcome = future.result()
                self._resolve_ready(window.channel)
            except Exception as error:
                self.fail(error)

        future.add_done_callback(done)

    def _resolve_ready(self, channel: int) -> None:
        """Resolves the windows whose turn it is."""
        for turn, outcome in self._turns.take(channel):
            timing = None
            if outcome.batch_size:
                timing = Timing(outcome.queue_seconds, outcome.compute_seconds, outcome.batch_size)
            self._metrics.windows.labels(outcome.status.value).inc()
            resolved = self.session.resolve(turn.window, outcome.status, outcome.spoof_llr)
            for event in resolved:
                of_window = isinstance(event, WindowResult)
                if isinstance(event, WindowResult):
                    self._mark_near_alert(event)
                self._tell(
                    event,
                    timing if of_window else None,
                    turn.arrived_at,
                    settled=event is resolved[-1],
                    members=outcome.members if of_window else (),
                )
            if outcome.status is WindowStatus.SHED:
                warning = self._shed_warnings.shed(turn.window)
                if warning is not None:
                    self._tell(warning, None, turn.arrived_at)
        self._count_audio()
        self._progress.set()

    def _tell(
        self,
        event: WindowResult | Alert | SpeechActivity | StreamWarning,
        timing: Timing | None = None,
        arrived_at: float = 0.0,
        *,
        settled: bool = False,
        members: tuple[MemberOutcome, ...] = (),
    ) -> None:
        note(event, self._stream_id, self._metrics, self.trace)
        self._emit(Emission(event, timing, arrived_at, settled, members))

    def _mark_near_alert(self, result: WindowResult) -> None:
        """Marks the channel while an alert is near, for schedulers that depend on it."""
        channel, marked = result.window.channel, self._lane.near_alert
        if near_alert(result, self.session.options.alert_policy):
            marked.add(channel)
        else:
            marked.discard(channel)

    def _count_audio(self) -> None:
        seconds = self.session.audio_seconds
        self._metrics.audio_seconds.inc(
            (seconds - self._counted_seconds) * self._turns.channel_count
        )
        self._counted_seconds = seconds
