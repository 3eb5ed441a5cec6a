import dataclasses

import numpy as np

from dfd.daemon.rpc.emission import Emission
from dfd.streaming.types import (
    Reason,
    Score,
    SpeechActivity,
    StreamWarning,
    Window,
    WindowResult,
    WindowStatus,
)
from dfd.v1 import detection_pb2 as pb

SILENCE = np.zeros(16_000, np.float32)
SCORE = Score(2.0, 1.0)
RESULT = WindowResult(
    Window(1, 4, 0, 16_000, 16_000, SILENCE, 1.0, 0.0, False, False, True),
    WindowStatus.SCORED,
    SCORE,
    SCORE,
    SCORE,
)
CHECKPOINT = pb.Checkpoint(state=b"state")


def config(*, windows: bool = True, activity: bool = False) -> pb.StreamingDetectConfig:
    vad = pb.VadConfig(activity_events=activity)
    return pb.StreamingDetectConfig(window_results=windows, vad=vad)


def test_a_window_takes_the_checkpoint_along() -> None:
    told = Emission(RESULT, None, 0.0, settled=True)
    message = told.response(config(), CHECKPOINT)
    assert message is not None
    assert (message.window.channel, message.window.sequence) == (1, 4)
    assert message.checkpoint == CHECKPOINT
    assert told.scored
    assert not Emission(dataclasses.replace(RESULT, status=WindowStatus.SHED), None, 0.0).scored


def test_where_windows_are_not_wanted_the_checkpoint_goes_alone() -> None:
    told = Emission(RESULT, None, 0.0)
    assert told.response(config(windows=False), None) is None
    message = told.response(config(windows=False), CHECKPOINT)
    assert message == pb.StreamingDetectResponse(checkpoint=CHECKPOINT)


def test_speech_is_reported_only_on_request_and_warnings_always() -> None:
    speech = Emission(SpeechActivity(0, True, 1.5), None, 0.0)
    assert speech.response(config(), None) is None
    message = speech.response(config(activity=True), None)
    assert message is not None
    assert message.speech_activity.type == pb.SpeechActivity.TYPE_BEGIN
    warning = Emission(StreamWarning(Reason.AUDIO_GAP, "lost", 0, 1.0), None, 0.0)
    message = warning.response(config(windows=False), None)
    assert message is not None
    assert message.warning.reason == "AUDIO_GAP"
