"""Events as JSON lines.

A line is the complete message that the server sent, in the contract's own JSON form (names as in
the .proto file), together with `stream_id`; the client's own events have the same shape under
their own names.
"""

import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from dfd.clients import events as ev
from dfd.v1 import detection_pb2 as pb

# name of a message -> its field in the response
_KINDS = {
    field.message_type.full_name: field.name
    for field in pb.StreamingDetectResponse.DESCRIPTOR.oneofs_by_name["response"].fields
    if field.message_type is not None
}


def json_line(stream_id: str, event: ev.Event, **more: object) -> str:
    """Returns one event as one line of JSON, without a newline.

    Args:
        stream_id: the stream that it belongs to.
        event: the event.
        more: further members for the line, such as a file name.
    """
    return json.dumps({"stream_id": stream_id, **more, **to_dict(event)}, ensure_ascii=False)


def to_dict(event: ev.Event) -> dict[str, Any]:
    """Returns an event in the contract's JSON form: one member, named after its kind."""
    match event:
        case ev.ConnectionLost():
            body: dict[str, Any] = {
                "code": event.code,
                "reason": event.reason,
                "message": event.message,
                "retry_delay": _span(event.retry_seconds),
            }
            if event.summary is not None:
                body |= to_dict(event.summary)
            return {"connection_lost": body}
        case ev.Reconnected():
            return {
                "reconnected": {
                    "offset": _span(event.offset_seconds),
                    "lost_duration": _span(event.lost_seconds),
                    "attempts": event.attempts,
                    "resumed": event.resumed,
                }
            }
        case ev.AudioLost():
            return {
                "audio_lost": {
                    "offset": _span(event.offset_seconds),
                    "lost_duration": _span(event.lost_seconds),
                }
            }
    return {_KINDS[event.proto.DESCRIPTOR.full_name]: message_dict(event.proto)}


def message_dict(message: Message) -> dict[str, Any]:
    """Returns a message of the contract in its JSON form."""
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _span(seconds: float) -> str:
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
