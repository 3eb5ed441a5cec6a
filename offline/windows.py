"""Cuts a recording in memory into windows, with the core of a stream."""

from __future__ import annotations

from dataclasses import replace

from dfd.streaming.options import AudioFormat, ModelTraits, SessionOptions, UtteranceScore
from dfd.streaming.session import StreamSession
from dfd.streaming.types import Encoding, Samples, Window


def cut(wave: Samples, model: ModelTraits) -> list[Window]:
    """Returns the windows of a whole recording that a stream would score, in order of time.

    Provisional windows are left out, since at its end a stream does not use them. If no window has
    enough speech, all windows are returned, because the evaluation of a detector needs a score for
    every recording; a stream would have none.

    Args:
        wave: float32 (n,), mono, at the model's rate.
        model: says how long windows are, and which of them count.
    """
    windows = _worth_scoring(wave, model) or _worth_scoring(
        wave, replace(model, min_speech_seconds=0.0)
    )
    return windows[:1] if model.utterance_score is UtteranceScore.FIRST else windows


def _worth_scoring(wave: Samples, model: ModelTraits) -> list[Window]:
    audio_format = AudioFormat(Encoding.FLOAT32, model.sample_rate_hz)
    session = StreamSession(SessionOptions(audio_format, model, provisional_seconds=()))
    events = session.feed(wave.astype("<f4", copy=False).tobytes()) + session.finish()
    return [event for event in events if isinstance(event, Window) and event.scoreable]
