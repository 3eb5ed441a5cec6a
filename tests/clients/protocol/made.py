"""Generates any message of the contract from its descriptor."""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(-1e6, 1e6),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(-64, 64, width=32),
    FieldDescriptor.CPPTYPE_INT32: st.integers(0, 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(0, 2**40),
    FieldDescriptor.CPPTYPE_STRING: _WORDS,
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**40),
}
_DURATIONS = st.builds(Duration, seconds=st.integers(0, 10**5), nanos=st.integers(0, 999_999_999))


def messages(descriptor: Descriptor) -> st.SearchStrategy[Any]:
    """Generates messages with any of their fields set, and one field of each oneof."""
    if descriptor.full_name == "google.protobuf.Duration":
        return _DURATIONS
    values = {field.name: _values(field) for field in descriptor.fields}
    made = GetMessageClass(descriptor)

    def build(given: dict[str, Any]) -> Message:
        message: Message = made(**given)
        return message

    return st.fixed_dictionaries({}, optional=values).map(build)


def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return st.dictionaries(_WORDS, _WORDS, max_size=2)
    if kind is not None:
        one = st.deferred(lambda: messages(kind))
    elif field.enum_type is not None:
        one = st.sampled_from([value.number for value in field.enum_type.values])
    elif field.type == FieldDescriptor.TYPE_BYTES:
        one = st.binary(max_size=8)
    else:
        one = _SCALARS[field.cpp_type]
    return st.lists(one, max_size=2) if field.is_repeated else one
