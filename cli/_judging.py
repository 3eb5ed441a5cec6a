"""The options with which a client verb says how its streams are judged."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from dfd.clients.options import StreamOptions

_F = TypeVar("_F", bound=Callable[..., Any])
_SECONDS = click.FloatRange(0)

_PROBABILITY = click.FloatRange(0, 1, min_open=True)

# What every client of a daemon can set.
MODEL_AND_THRESHOLDS = (
    click.option(
        "--model",
        default="",
        help="Name of the model to use, as the server lists it.  [default: the server's]",
    ),
    click.option(
        "--rolling-threshold",
        type=_PROBABILITY,
        metavar="P",
        help="Alert at this rolling P(spoof).  [default: the server's]",
    ),
    click.option(
        "--cumulative-threshold",
        type=_PROBABILITY,
        metavar="P",
        help="Alert at this cumulative P(spoof).  [default: the server's]",
    ),
)

_OPTIONS = (
    *MODEL_AND_THRESHOLDS,
    click.option(
        "--consecutive-windows",
        type=click.IntRange(1),
        metavar="N",
        help="Consecutive windows above a threshold that raise an alert.  [default: the server's]",
    ),
    click.option(
        "--window-seconds",
        type=_SECONDS,
        metavar="SECONDS",
        help="Length of a window, at most the model's.  [default: the model's]",
    ),
    click.option(
        "--hop-seconds",
        type=_SECONDS,
        metavar="SECONDS",
        help="Time from one window to the next.  [default: the model's]",
    ),
    click.option(
        "--min-speech-seconds",
        "vad_min_speech_seconds",
        type=_SECONDS,
        metavar="SECONDS",
        help="Skip windows with less speech than this; 0 scores all.  [default: the model's]",
    ),
    click.option(
        "--vad",
        "vad_engine",
        type=click.Choice(["webrtc", "silero"]),
        help="Voice activity detector.  [default: webrtc]",
    ),
    click.option(
        "--vad-aggressiveness",
        type=click.IntRange(0, 3),
        help="Aggressiveness of the WebRTC detector, from 0 (keeps most) to 3 (drops most).",
    ),
    click.option(
        "--vad-hangover-seconds",
        "vad_hangover_seconds",
        type=_SECONDS,
        metavar="SECONDS",
        help="How long speech is taken to last after its last frame.",
    ),
)


def judging_options(command: _F) -> _F:
    """Adds the options; `stream_options` reads them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def stream_options(
    values: dict[str, Any], labels: Mapping[str, str], *, activity_events: bool = False
) -> "StreamOptions":
    """Takes the options out of a verb's values and builds `StreamOptions`."""
    from dfd.clients.options import AlertPolicy, StreamOptions, VadEngine, VadOptions

    engine = values.pop("vad_engine")
    return StreamOptions(
        model=values.pop("model"),
        labels=labels,
        window_seconds=values.pop("window_seconds"),
        hop_seconds=values.pop("hop_seconds"),
        vad=VadOptions(
            engine=None if engine is None else VadEngine(engine),
            aggressiveness=values.pop("vad_aggressiveness"),
            hangover_seconds=values.pop("vad_hangover_seconds"),
            min_speech_seconds=values.pop("vad_min_speech_seconds"),
            activity_events=activity_events,
        ),
        alert_policy=AlertPolicy(
            rolling_threshold=values.pop("rolling_threshold"),
            cumulative_threshold=values.pop("cumulative_threshold"),
            consecutive_windows=values.pop("consecutive_windows"),
        ),
    )
