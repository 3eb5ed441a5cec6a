from typing import Any

import pytest

from dfd.streaming.options import AlertPolicy, AudioFormat, ModelTraits, SessionOptions, VadOptions
from dfd.streaming.types import Encoding, StreamError
from tests.streaming.helpers import mono


@pytest.mark.parametrize("rate", [-1, 0, 7_999, 48_001, 2**31 - 1])
def test_impossible_rate_is_refused(rate: int) -> None:
    with pytest.raises(StreamError, match="sample_rate_hertz") as caught:
        AudioFormat(Encoding.LINEAR16, rate)
    assert caught.value.reason == "INVALID_SAMPLE_RATE"


@pytest.mark.parametrize("count", [-1, 0, 9])
def test_impossible_channel_count_is_refused(count: int) -> None:
    with pytest.raises(StreamError, match="channel_count") as caught:
        AudioFormat(Encoding.LINEAR16, 8_000, count)
    assert caught.value.reason == "INVALID_CHANNEL_COUNT"


@pytest.mark.parametrize(
    ("encoding", "size"),
    [
        (Encoding.LINEAR16, 2),
        (Encoding.MULAW, 1),
        (Encoding.ALAW, 1),
        (Encoding.FLOAT32, 4),
    ],
)
def test_bytes_per_frame(encoding: Encoding, size: int) -> None:
    assert AudioFormat(encoding, 8_000, 3).bytes_per_frame == 3 * size


@pytest.mark.parametrize(
    "options",
    [
        {"aggressiveness": -1},
        {"aggressiveness": 4},
        {"speech_threshold": 0.0},
        {"speech_threshold": 1.0},
        {"speech_threshold": float("nan")},
        {"hangover_seconds": -0.1},
        {"hangover_seconds": 5.1},
    ],
)
def test_vad_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(StreamError) as caught:
        VadOptions(**options)
    assert caught.value.reason == "INVALID_VAD_CONFIG"


def test_values_up_to_the_limits_are_accepted() -> None:
    assert VadOptions(aggressiveness=3, hangover_seconds=5.0).aggressiveness == 3
    assert AlertPolicy(consecutive_windows=1000).consecutive_windows == 1000


@pytest.mark.parametrize(
    "options",
    [
        {"rolling_threshold": 0.0},
        {"rolling_threshold": 1.1},
        {"cumulative_threshold": float("nan")},
        {"hysteresis": 1.0},
        {"hysteresis": -0.1},
        {"consecutive_windows": 0},
        {"consecutive_windows": 1001},
        {"cooldown_seconds": -1.0},
        {"cooldown_seconds": float("inf")},
    ],
)
def test_alert_policy_is_checked(options: dict[str, Any]) -> None:
    with pytest.raises(StreamError) as caught:
        AlertPolicy(**options)
    assert caught.value.reason == "INVALID_ALERT_POLICY"


@pytest.mark.parametrize("channels", [(0, 0), (2,), (-1,)])
def test_channels_must_exist_once(channels: tuple[int, ...]) -> None:
    with pytest.raises(StreamError) as caught:
        SessionOptions(AudioFormat(Encoding.LINEAR16, 8_000, 2), channels=channels)
    assert caught.value.reason == "INVALID_CHANNELS"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"window_seconds": 4.1}, "INVALID_WINDOW"),
        ({"window_seconds": 0.99}, "INVALID_WINDOW"),
        ({"hop_seconds": 0.24}, "INVALID_WINDOW"),
        ({"hop_seconds": 4.1}, "INVALID_WINDOW"),
        ({"window_seconds": float("nan")}, "INVALID_WINDOW"),
        ({"min_speech_seconds": -0.1}, "INVALID_VAD_CONFIG"),
        ({"min_speech_seconds": 4.1}, "INVALID_VAD_CONFIG"),
    ],
)
def test_windows_are_checked(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(StreamError) as caught:
        mono(**options)
    assert caught.value.reason == reason


def test_the_model_supplies_unset_options() -> None:
    model = ModelTraits(window_samples=32_000, hop_samples=8_000, min_speech_seconds=0.7)
    options = SessionOptions(AudioFormat(Encoding.LINEAR16, 8_000, 3), model)
    assert options.effective_window_seconds == 2.0
    assert options.effective_hop_seconds == 0.5
    assert options.effective_min_speech_seconds == 0.7
    assert options.effective_channels == (0, 1, 2)


def test_the_streams_options_take_precedence() -> None:
    options = SessionOptions(
        AudioFormat(Encoding.LINEAR16, 8_000, 3),
        channels=(2, 0),
        window_seconds=2.0,
        hop_seconds=0.5,
        min_speech_seconds=0.1,
    )
    assert options.effective_window_seconds == 2.0
    assert options.effective_hop_seconds == 0.5
    assert options.effective_min_speech_seconds == 0.1
    assert options.effective_channels == (0, 2)


def test_a_shorter_window_keeps_the_model_s_overlap() -> None:
    assert mono(window_seconds=2.0).effective_hop_seconds == 1.0


@pytest.mark.parametrize(
    ("window_seconds", "expected"),
    [(2.0, (1.0, 2.0)), (4.0, (1.0, 2.0)), (4.5, (1.0, 2.0, 4.0)), (13.0, (1.0, 2.0, 4.0, 8.0))],
)
def test_early_windows_grow_up_to_the_full_window(
    window_seconds: float, expected: tuple[float, ...]
) -> None:
    traits = ModelTraits(window_samples=13 * 16_000)
    options = mono(model=traits, window_seconds=window_seconds)
    assert options.effective_provisional_seconds == expected


def test_early_windows_can_be_set() -> None:
    assert mono(provisional_seconds=()).effective_provisional_seconds == ()


@pytest.mark.parametrize("rate", [8_000, 48_000])
@pytest.mark.parametrize("channels", [1, 8])
def test_the_limits_themselves_are_allowed(rate: int, channels: int) -> None:
    options = SessionOptions(
        AudioFormat(Encoding.LINEAR16, rate, channels), window_seconds=1.0, hop_seconds=0.25
    )
    assert (options.effective_window_seconds, options.effective_hop_seconds) == (1.0, 0.25)


def test_the_defaults_of_a_stream() -> None:
    # docs/protocol.md and the command's help state these
    options = SessionOptions(AudioFormat(Encoding.LINEAR16, 16_000))
    assert options.audio_format.channel_count == 1
    assert options.rolling_windows == 5
    assert (options.vad.aggressiveness, options.vad.speech_threshold) == (2, 0.5)
    assert options.vad.hangover_seconds == 0.2
    policy = options.alert_policy
    assert (policy.rolling_threshold, policy.cumulative_threshold) == (0.8, 0.8)
    assert (policy.hysteresis, policy.consecutive_windows) == (0.1, 2)
    assert policy.cooldown_seconds == 10.0


def test_the_default_traits_of_a_model() -> None:
    traits = ModelTraits()
    assert (traits.sample_rate_hz, traits.window_samples, traits.hop_samples) == (
        *(16_000, 64_000),
        32_000,
    )
    assert (traits.min_speech_seconds, traits.evidence_correlation) == (0.5, 0.5)
    assert traits.trained_bandwidth_hz == 3_400.0
