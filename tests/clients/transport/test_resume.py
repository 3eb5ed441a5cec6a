from dataclasses import replace

from dfd.clients import events as ev
from dfd.clients.transport.resume import Resumption
from dfd.v1 import detection_pb2 as pb
from tests.clients import said

STARTED = ev.Started(
    "call-7",
    None,  # type: ignore[arg-type]
    None,  # type: ignore[arg-type]
    (0,),
    4.0,
    2.0,
    None,  # type: ignore[arg-type]
    proto=pb.StreamStarted(),
)
RESUMED = replace(STARTED, proto=pb.StreamStarted(resumed=True))
ALERT = ev.Alert(
    ev.Trigger.ROLLING, 0, 6.0, ev.Score(0.9, 2.2, 4.0), 0.8, cleared=False, proto=pb.Alert()
)


def window(sequence: int, status: ev.WindowStatus = ev.WindowStatus.SCORED) -> ev.WindowResult:
    return replace(said.window(status, None), sequence=sequence)


def after_two_windows() -> Resumption:
    resumption = Resumption()
    assert resumption.begin(STARTED)
    assert all(resumption.is_news(event) for event in (window(0), window(1), ALERT))
    resumption.take(pb.Checkpoint(state=b"state", resume_offset=24_000))
    return resumption


def test_reported_events_are_not_repeated() -> None:
    resumption = after_two_windows()
    told = replace(ALERT, cleared=True, offset_seconds=8.0)
    assert resumption.is_news(told)  # after the checkpoint
    assert resumption.is_news(window(2))
    assert resumption.begin(RESUMED)
    assert (resumption.state, resumption.offset) == (b"state", 24_000)
    assert not resumption.is_news(window(2))
    assert not resumption.is_news(told)
    assert resumption.is_news(replace(told, offset_seconds=12.0))
    assert resumption.is_news(window(3))


def test_a_window_shed_by_a_draining_server_is_reported_when_scored() -> None:
    resumption = after_two_windows()
    assert resumption.is_news(window(2, ev.WindowStatus.SHED))
    resumption.begin(RESUMED)
    assert not resumption.is_news(window(1))
    assert resumption.is_news(window(2))


def test_continuing_speech_is_not_reported_as_a_new_start() -> None:
    resumption = after_two_windows()
    began = ev.SpeechActivity(0, True, 1.0, proto=pb.SpeechActivity())
    assert resumption.is_news(began)
    resumption.begin(RESUMED)
    assert not resumption.is_news(began)
    assert not resumption.is_news(replace(began, offset_seconds=3.5))
    assert resumption.is_news(replace(began, began=False, offset_seconds=5.0))


def test_a_server_that_does_not_resume_starts_over() -> None:
    resumption = after_two_windows()
    assert not resumption.begin(STARTED)
    assert resumption.state == b""
    assert resumption.is_news(window(0))
    assert resumption.is_news(ALERT)


def test_nothing_is_lost_if_nothing_was_judged() -> None:
    resumption = Resumption()
    resumption.begin(STARTED)
    assert resumption.begin(STARTED)
