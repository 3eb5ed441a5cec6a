"""The user agent server, tested by its answers: requests and the time in, messages out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from sipmessage import Message, Request, Response

from dfd.bridges.sip.agent import Agent, AgentRules
from dfd.bridges.sip.answers import AcceptedLine, write
from dfd.bridges.sip.dialogs import Incoming, RefusedError
from dfd.bridges.sip.messages import parse
from dfd.bridges.sip.offers import Line
from tests.bridges.sip.kit import line, multipart, offer, request, tag

OFFER = offer(line())


@dataclass
class FakeMedia:
    rate_hz: int | None = None
    changes: list[list[str]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    answers: int = 0
    ended: str = ""

    def change(self, lines: Sequence[Line], accepted: Sequence[AcceptedLine]) -> bytes:
        self.changes.append([one.direction for one in lines])
        return write(lines, {one.index: (one, 30000) for one in accepted}, "127.0.0.1", (1, 1))

    def describe(self) -> bytes:
        return b"v=0\r\nm=audio 30000 RTP/AVP 0 8\r\n"

    def answered(self, lines: Sequence[Line]) -> None:
        self.answers += 1

    def name(self, labels: Mapping[str, str]) -> None:
        self.labels.update(labels)

    def end(self, reason: str) -> None:
        assert not self.ended
        self.ended = reason


@dataclass
class AgentHarness:
    """An agent, its owner and its transport in one object."""

    rules: AgentRules = field(default_factory=AgentRules)
    full: bool = False
    daemon_trouble: str = ""
    host: str = "192.0.2.9"
    port: int = 5060
    local: tuple[str, int] = ("192.0.2.1", 5060)
    transport: str = "UDP"

    def __post_init__(self) -> None:
        self.agent = Agent(self, self.rules)
        self.sent: list[bytes] = []
        self.calls: list[tuple[Incoming, FakeMedia]] = []
        self.refusals: list[tuple[str, str]] = []
        self.now = 100.0

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def trouble(self) -> str:
        return self.daemon_trouble

    def open(self, incoming: Incoming) -> FakeMedia:
        if self.full:
            raise RefusedError(503, "the bridge is full", "full")
        media = FakeMedia()
        self.calls.append((incoming, media))
        return media

    def refused(self, source: str, word: str, reason: str) -> None:
        self.refusals.append((word, reason))

    def ask(self, data: bytes) -> Response:
        before = len(self.sent)
        self.agent.receive(parse(data), self, self.now)
        assert len(self.sent) == before + 1
        answer = Message.parse(self.sent[-1])
        assert isinstance(answer, Response)
        return answer

    def tell(self, data: bytes) -> None:
        self.agent.receive(parse(data), self, self.now)

    def call(self, **more: str) -> Response:
        answer = self.ask(request("INVITE", body=OFFER, **more))  # type: ignore[arg-type]
        assert answer.code == 200
        self.tell(request("ACK", to_tag=tag(answer)))
        return answer

    def later(self, seconds: float, step: float = 0.05) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += step
            self.agent.poll(self.now)


def test_an_answer_is_retransmitted_until_its_ack() -> None:
    harness = AgentHarness()
    answer = harness.ask(request("INVITE", body=OFFER))
    harness.later(4.0)
    assert len(harness.sent) == 4  # at 0, 0.5, 1.5 and 3.5 s
    assert set(harness.sent) == {bytes(answer)}
    harness.tell(request("ACK", to_tag=tag(answer)))
    harness.later(40.0)
    assert len(harness.sent) == 4
    assert harness.agent.calls == 1


def test_a_call_without_an_ack_is_ended() -> None:
    harness = AgentHarness()
    harness.ask(request("INVITE", body=OFFER))
    harness.later(33.0)
    assert harness.calls[0][1].ended == "no ACK"
    assert harness.agent.calls == 0
    bye = Message.parse(harness.sent[-1])
    assert isinstance(bye, Request)
    assert bye.method == "BYE"


def test_a_repeated_invite_is_answered_again_without_a_second_call() -> None:
    harness = AgentHarness()
    data = request("INVITE", body=OFFER, branch="z9hG4bKsame")
    first = harness.ask(data)
    assert bytes(harness.ask(data)) == bytes(first)
    assert len(harness.calls) == 1


def test_a_call_that_arrives_on_two_paths_is_answered_once() -> None:
    harness = AgentHarness()
    harness.ask(request("INVITE", body=OFFER))
    assert harness.ask(request("INVITE", body=OFFER)).code == 482


def test_a_refusal_is_retransmitted_until_its_ack() -> None:
    harness = AgentHarness(full=True)
    answer = harness.ask(request("INVITE", body=OFFER, branch="z9hG4bKfull"))
    assert answer.code == 503
    harness.later(1.0)
    assert len(harness.sent) == 2
    harness.tell(request("ACK", to_tag=tag(answer), branch="z9hG4bKfull"))
    harness.later(40.0)
    assert len(harness.sent) == 2


def test_cancel_is_matched_with_its_invite() -> None:
    harness = AgentHarness()
    answer = harness.ask(request("INVITE", body=OFFER, branch="z9hG4bKone"))
    cancelled = harness.ask(request("CANCEL", branch="z9hG4bKone"))
    assert (cancelled.code, tag(cancelled)) == (200, tag(answer))
    assert harness.ask(request("CANCEL", branch="z9hG4bKother")).code == 481
    assert not harness.calls[0][1].ended  # it has been answered already


def test_bye_ends_the_call_and_may_be_repeated() -> None:
    harness = AgentHarness()
    answer = harness.call()
    data = request("BYE", to_tag=tag(answer), cseq=2)
    assert harness.ask(data).code == 200
    assert harness.calls[0][1].ended == "BYE"
    assert harness.ask(data).code == 200
    assert harness.ask(request("BYE", to_tag=tag(answer), cseq=3)).code == 481


def test_hold_and_resume() -> None:
    harness = AgentHarness()
    answer = harness.call()
    held = offer(line(direction="inactive"))
    again = harness.ask(request("INVITE", body=held, to_tag=tag(answer), cseq=2))
    assert again.code == 200
    assert "a=inactive" in again.body.decode()
    back = harness.ask(request("UPDATE", body=OFFER, to_tag=tag(answer), cseq=3))
    assert "a=recvonly" in back.body.decode()
    assert harness.calls[0][1].changes == [["sendonly"], ["inactive"], ["sendonly"]]


def test_an_old_sequence_number_is_refused() -> None:
    harness = AgentHarness()
    answer = harness.call(call="call-1")
    assert harness.ask(request("INVITE", body=OFFER, to_tag=tag(answer), cseq=1)).code == 500


def test_the_media_learn_of_another_party() -> None:
    harness = AgentHarness()
    answer = harness.call()
    body, kind = multipart(offer(line(label="97")))
    harness.ask(request("INVITE", body=body, kind=kind, to_tag=tag(answer), cseq=2))
    assert harness.calls[0][1].labels["channel_0"] == "sip:bob@example.org"


def test_a_call_without_an_offer_gets_one() -> None:
    harness = AgentHarness()
    answer = harness.ask(request("INVITE"))
    assert answer.code == 200
    assert b"m=audio" in answer.body
    harness.tell(request("ACK", to_tag=tag(answer), body=OFFER))
    assert harness.calls[0][1].answers == 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (request("INVITE", body="nonsense"), 400),
        (request("INVITE", body="v=0\r\ns=-\r\n"), 400),
        (request("INVITE", body=offer(line(formats="18"))), 488),
        (request("INVITE", body=offer(line(port=0))), 488),
        (request("INVITE", body=offer(line(protocol="UDP/TLS/RTP/SAVPF"))), 488),
        (request("INVITE", body=offer(line(protocol="RTP/SAVP"))), 488),
        (request("INVITE", body="x", kind="application/json"), 415),
        (request("INVITE", body=OFFER, headers=("Require: 100rel",)), 420),
        (request("INVITE", body=OFFER, headers=("Session-Expires: 10",)), 422),
        (request("INVITE", body=OFFER, to_tag="nobody"), 481),
        (request("BYE"), 481),
        (request("UPDATE", body=OFFER), 481),
        (request("REGISTER"), 405),
        (request("SUBSCRIBE"), 405),
    ],
)
def test_each_refusal_has_its_status_code(data: bytes, code: int) -> None:
    harness = AgentHarness()
    answer = harness.ask(data)
    assert answer.code == code
    assert tag(answer)
    assert harness.agent.calls == 0
    assert all(media.ended for _, media in harness.calls)


def test_an_expired_session_timer_ends_the_call() -> None:
    harness = AgentHarness()
    more = ("Session-Expires: 90;refresher=uac", "Supported: timer")
    answer = harness.ask(request("INVITE", body=OFFER, headers=more))
    assert answer.headers["Session-Expires"] == "90;refresher=uac"
    assert answer.require == ["timer"]
    harness.tell(request("ACK", to_tag=tag(answer)))
    harness.later(60, 1)
    harness.ask(request("UPDATE", to_tag=tag(answer), cseq=2, headers=more))
    harness.later(80, 1)
    assert harness.agent.calls == 1
    harness.later(15, 1)
    assert harness.calls[0][1].ended == "session timer"


def test_our_bye_follows_the_routes_and_is_retransmitted() -> None:
    harness = AgentHarness()
    routes = ("Record-Route: <sip:192.0.2.5;lr>",)
    answer = harness.ask(request("INVITE", body=OFFER, headers=routes))
    assert answer.headers["Record-Route"] == "<sip:192.0.2.5;lr>"
    harness.tell(request("ACK", to_tag=tag(answer)))
    harness.agent.hang_up(harness.calls[0][1], "idle", harness.now)
    harness.later(2.0)
    bye = Message.parse(harness.sent[-1])
    assert isinstance(bye, Request)
    assert str(bye.uri) == "sip:ann@127.0.0.1:5099"
    assert bye.headers["Route"] == "<sip:192.0.2.5;lr>"
    assert bye.to_address.parameters["tag"] == "caller"
    assert bye.from_address.parameters["tag"] == tag(answer)
    count = len(harness.sent)
    reply = Response(200, "OK")
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        reply.headers.set(name, bye.headers[name])
    harness.tell(bytes(reply))
    harness.later(10.0)
    assert len(harness.sent) == count


def test_options_report_the_state_of_the_bridge() -> None:
    harness = AgentHarness()
    assert harness.ask(request("OPTIONS")).code == 200
    harness.daemon_trouble = "the daemon refuses connections"
    answer = harness.ask(request("OPTIONS"))
    assert answer.code == 503
    assert "the daemon refuses connections" in answer.headers["Reason"]


def test_a_body_without_metadata_affects_nothing_else() -> None:
    harness = AgentHarness()
    body, kind = multipart(OFFER, "<recording")
    assert harness.ask(request("INVITE", body=body, kind=kind)).code == 400
    assert harness.call().code == 200
