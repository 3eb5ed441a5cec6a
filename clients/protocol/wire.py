"""Converts the contract's responses to the client's events."""

from dfd.clients import events as ev
from dfd.clients.audio import Encoding
from dfd.clients.server_info import ModelInfo, ServerInfo
from dfd.messages import from_message, seconds, words
from dfd.v1 import detection_pb2 as pb

_ENCODINGS = {
    number: Encoding(word)
    for number, word in words(pb.AudioFormat.Encoding.DESCRIPTOR).items()
    if word in set(Encoding)
}


def event(message: pb.StreamingDetectResponse) -> ev.ServerEvent | None:
    """Converts a response of the server; returns None for a kind that is not known yet."""
    match message.WhichOneof("response"):
        case "started":
            return _started(message.started)
        case "window":
            return window(message.window)
        case "speech_activity":
            activity = message.speech_activity
            began = activity.type == pb.SpeechActivity.TYPE_BEGIN
            return from_message(ev.SpeechActivity, activity, began=began)
        case "alert":
            return from_message(ev.Alert, message.alert)
        case "summary":
            return from_message(ev.Summary, message.summary)
        case "warning":
            return from_message(ev.StreamWarning, message.warning)
    return None


def _started(message: pb.StreamStarted) -> ev.Started:
    effective, served = message.effective_config, from_message(ModelInfo, message.model)
    return from_message(
        ev.Started,
        message,
        effective,
        model=served,
        window_seconds=seconds(effective.window_duration) or served.window_seconds,
        hop_seconds=seconds(effective.hop_duration) or served.hop_seconds,
    )


def encoding(number: int) -> Encoding | None:
    """Returns an encoding of the contract; None for one that this client does not know."""
    return _ENCODINGS.get(number)


def window(message: pb.WindowResult) -> ev.WindowResult:
    """Converts the result of a window."""
    return from_message(ev.WindowResult, message, message.timing)


def detection(message: pb.DetectResponse) -> ev.Detection:
    """Converts the judgement of a recording."""
    windows = tuple(window(one) for one in message.windows)
    return from_message(ev.Detection, message, windows=windows)


def server_info(message: pb.GetServerInfoResponse) -> ServerInfo:
    """Converts what a server offers."""
    known = (encoding(number) for number in message.encodings)
    encodings = tuple(str(one) for one in known if one is not None)
    return from_message(ServerInfo, message, encodings=encodings)
