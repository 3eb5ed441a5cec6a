"""Converts between dataclasses and the messages of the contract, field by field.

The contract is written only once, in the .proto file. A dataclass for a message has the message's
own names, with units where Python has plain numbers: `hop_seconds` is the Duration `hop_duration`
(or `hop_offset`, `hop_delay`, `hop`), and `sample_rate_hz` is `sample_rate_hertz`. An enum's member
has the name of the contract's value without its prefix. An unset field is None in a dataclass.
"""

import functools
import types
import typing
from collections.abc import Callable
from dataclasses import fields
from enum import Enum
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_M = TypeVar("_M", bound=Message)
_T = TypeVar("_T")

_NANOS = 1_000_000_000
_DURATION = Duration.DESCRIPTOR.full_name
_DURATION_NAMES = ("_duration", "_offset", "_delay", "")
_OTHER_NAMES = {
    "first_alert_seconds": "time_to_first_alert",
    "window": "window_probability",
    "rolling": "rolling_probability",
    "cumulative": "cumulative_probability",
}

Read = Callable[[Any], Any]


def duration(seconds: float) -> Duration:
    """Converts seconds to a message, to the nanosecond."""
    whole, nanos = divmod(round(seconds * _NANOS), _NANOS)
    return Duration(seconds=whole, nanos=nanos)


def seconds(message: Duration) -> float:
    """Converts a message to seconds."""
    return float((message.seconds * _NANOS + message.nanos) / 1e9)


def to_message(kind: type[_M], /, *sources: object, **given: Any) -> _M:
    """Makes a message from the attributes of objects that have the names of its fields.

    Args:
        kind: type of the message.
        sources: the objects; an attribute is taken from the first that has it.
        given: fields that are not taken from the sources, by the contract's names.
    """
    values: dict[str, Any] = {}
    for name, source, attribute, put in _filled(kind.DESCRIPTOR, tuple(map(type, sources))):
        value = None if name in given else getattr(sources[source], attribute)
        if value is not None:
            values[name] = put(value)
    for name, value in given.items():
        if value is not None:
            values[name] = _put(kind.DESCRIPTOR)[name](value)
    return kind(**values)


def from_message(kind: type[_T], /, *messages: Message, **given: Any) -> _T:
    """Makes a dataclass from the fields of messages that have the names of its attributes.

    Args:
        kind: the dataclass; a field `proto` gets the first message itself.
        messages: the messages; a field is taken from the first that has it.
        given: fields that are not taken from the messages.
    """
    wanted: Any = kind
    plan = _read(wanted, tuple(message.DESCRIPTOR for message in messages))
    found = {name: read(messages[source]) for name, source, read in plan if name not in given}
    return kind(**found, **given)


def wire_name(name: str, descriptor: Descriptor) -> str | None:
    """Returns the field of a message that belongs to a Python name; None if there is none."""
    known, other = descriptor.fields_by_name, _OTHER_NAMES.get(name, "")
    if name.endswith("_seconds"):
        stem = name.removesuffix("_seconds")
        ours = (*(stem + end for end in _DURATION_NAMES), other)
        return next((n for n in ours if n in known and _is_duration(known[n])), None)
    if name.endswith("_hz"):
        name = name.removesuffix("_hz") + "_hertz"
    return next((n for n in (name, other) if n in known), None)


def words(kind: EnumDescriptor) -> dict[int, str]:
    """Returns the names of an enum's values by number, without the prefix and in lower case."""
    prefix = kind.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {
        number: value.name.removeprefix(prefix).lower()
        for number, value in kind.values_by_number.items()
    }


def _is_duration(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == _DURATION


@functools.cache
def _filled(kind: Descriptor, sources: tuple[type, ...]) -> tuple[tuple[str, int, str, Read], ...]:
    """Returns field, number of the source, its attribute, and the converter, for each field."""
    plan: dict[str, tuple[str, int, str, Read]] = {}
    for number, source in enumerate(sources):
        for attribute in dir(source):
            name = None if attribute.startswith("_") else wire_name(attribute, kind)
            if name is not None:
                plan.setdefault(name, (name, number, attribute, _put(kind)[name]))
    return tuple(plan.values())


@functools.cache
def _put(kind: Descriptor) -> dict[str, Read]:
    """Returns the converter to the message's type, for each field."""
    return {field.name: _putter(field) for field in kind.fields}


def _putter(field: FieldDescriptor) -> Read:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return dict
    one: Read
    if _is_duration(field):
        one = _put_seconds
    elif message is not None:
        one = functools.partial(_put_message, GetMessageClass(message))
    elif field.enum_type is not None:
        numbers = {word: number for number, word in words(field.enum_type).items()}
        one = functools.partial(_put_word, numbers)
    elif field.type == FieldDescriptor.TYPE_STRING:
        one = _put_text
    else:
        one = _same
    return (lambda values: [one(value) for value in values]) if field.is_repeated else one


def _put_message(kind: type[Message], value: object) -> Message:
    return value if isinstance(value, Message) else to_message(kind, value)


def _put_seconds(value: float | Duration) -> Duration:
    return value if isinstance(value, Duration) else duration(value)


def _put_word(numbers: dict[str, int], value: Enum | int) -> int:
    return numbers[value.value] if isinstance(value, Enum) else value


def _put_text(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


def _same(value: object) -> object:
    return value


@functools.cache
def _read(kind: Any, messages: tuple[Descriptor, ...]) -> tuple[tuple[str, int, Read], ...]:
    """Returns name, number of the message, and the reader, for each attribute."""
    hints = typing.get_type_hints(kind)
    plan: list[tuple[str, int, Read]] = []
    for one in fields(kind):
        if one.name == "proto":
            plan.append((one.name, 0, _same))
            continue
        for number, descriptor in enumerate(messages):
            name = wire_name(one.name, descriptor)
            if name is not None:
                field = descriptor.fields_by_name[name]
                plan.append((one.name, number, _reader(field, hints[one.name])))
                break
    return tuple(plan)


def _reader(field: FieldDescriptor, hint: Any) -> Read:
    """Returns a reader of a field as the type that a dataclass declares."""
    name = field.name
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return lambda message: dict(getattr(message, name))
    wanted = _without_none(hint)
    optional = len(wanted) < len(_members(hint))
    if field.is_repeated:
        one = _taker(field, typing.get_args(wanted[0])[0])
        return lambda message: tuple(one(value) for value in getattr(message, name))
    take = _taker(field, wanted[0])
    if not optional:
        return lambda message: take(getattr(message, name))
    if field.has_presence:
        return lambda message: take(getattr(message, name)) if message.HasField(name) else None
    return lambda message: take(getattr(message, name)) or None


def _taker(field: FieldDescriptor, wanted: Any) -> Read:
    """Returns the converter of one value of a field."""
    if _is_duration(field):
        return seconds
    if field.message_type is not None:
        return functools.partial(from_message, wanted)
    if field.enum_type is not None:
        return functools.partial(_word, wanted, words(field.enum_type))
    return _same


def _word(wanted: type[Enum], words: dict[int, str], number: int) -> Enum:
    """Returns the member with a value's name; `unspecified` for a value of a later contract."""
    try:
        return wanted(words.get(number, ""))
    except ValueError:
        return wanted("unspecified")


def _members(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _without_none(hint: Any) -> list[Any]:
    return [one for one in _members(hint) if one is not type(None)]
