"""SIPREC metadata (RFC 7865): who speaks on which labelled stream."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field

from dfd.bridges.calls import ProtocolError, printable
from dfd.bridges.sip.messages import MAX_MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class Party:
    """A participant in the call.

    Attributes:
        name: display name; empty if there is none.
        aor: address, such as "sip:ann@example.org".
    """

    name: str
    aor: str

    def __str__(self) -> str:
        return printable(f"{self.name} <{self.aor}>" if self.name else self.aor)


@dataclass(frozen=True, slots=True)
class Recording:
    """The metadata of one recorded call.

    Attributes:
        session_id: id of the communication session, the same for all its recorders.
        parties: participants by the label of their stream (a=label in the description).
    """

    session_id: str = ""
    parties: dict[str, Party] = field(default_factory=dict)


def parse(content: bytes) -> Recording:
    """Parses a recording's metadata, complete or partial (an update contains only what is new).

    Raises:
        ProtocolError: if it is not such XML.
    """
    if len(content) > MAX_MESSAGE_BYTES:
        raise ProtocolError("the recording's metadata is too long")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ProtocolError("the recording's metadata is not in UTF-8") from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # entities could expand without limit
        raise ProtocolError("the recording's metadata declares a document type")
    try:
        root = ElementTree.fromstring(text.strip())
    except (ElementTree.ParseError, ValueError):
        raise ProtocolError("the recording's metadata is not XML") from None
    labels: dict[str, str] = {}
    parties: dict[str, Party] = {}
    sends: list[tuple[str, str]] = []
    session = ""
    for element in root:
        kind = _name(element)
        if kind == "session":
            session = session or printable(element.get("session_id", ""))
        elif kind == "stream":
            label = _text(element, "label")
            if label:
                labels[element.get("stream_id", "")] = label
        elif kind == "participant":
            parties[element.get("participant_id", "")] = _party(element)
        elif kind == "participantstreamassoc":
            person = element.get("participant_id", "")
            sends += [(person, (one.text or "").strip()) for one in _all(element, "send")]
    spoken = {
        labels[stream]: parties[person]
        for person, stream in sends
        if stream in labels and person in parties
    }
    return Recording(session, spoken)


def _party(element: ElementTree.Element) -> Party:
    identity = next(_all(element, "nameID"), element)
    return Party(_text(identity, "name"), printable(identity.get("aor", "")))


def _name(element: ElementTree.Element) -> str:
    """Returns the name without its namespace, of which several drafts are still in use."""
    return element.tag.rpartition("}")[2]


def _all(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (one for one in element.iter() if _name(one) == name)


def _text(element: ElementTree.Element, name: str) -> str:
    found = next(_all(element, name), None)
    return "" if found is None else printable((found.text or "").strip())
