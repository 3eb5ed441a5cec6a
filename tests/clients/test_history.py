from typing import Any

from dfd.clients import history
from dfd.clients.events import Trigger


def test_a_watermark_is_read_from_the_journal() -> None:
    alert = {
        "channel": 0,
        "trigger": "mark:perth",
        "offset_seconds": 4.0,
        "spoof_probability": 0.5,
        "spoof_llr": 0.0,
        "threshold": 0.9,
        "cleared": False,
        "clip": None,
    }
    summary: dict[str, Any] = {
        "channel": 0,
        "verdict": "bonafide",
        "reasons": [],
        **dict.fromkeys(("spoof_probability", "spoof_llr", "peak_probability")),
        **dict.fromkeys(("mean_probability", "first_alert_seconds")),
        **dict.fromkeys(("audio_seconds", "speech_seconds", "gap_seconds"), 6.0),
        **dict.fromkeys(("windows_scored", "windows_shed"), 0),
        **dict.fromkeys(("windows_insufficient_speech", "windows_failed"), 0),
    }
    call = history.call(
        {
            "call": "c",
            "kind": "stream",
            "stream_id": "s",
            "started_at": "2026-11-28T00:00:00+00:00",
            "alerts": [alert],
            "channels": [summary],
        }
    )
    (channel,) = call.channels
    (found,) = channel.alerts
    assert found.trigger is Trigger.WATERMARK
    assert found.watermark is not None
    assert (found.watermark.scheme, found.watermark.offset_seconds) == ("perth", 4.0)
    assert channel.summary is not None
    assert channel.summary.watermarks == (found.watermark,)
