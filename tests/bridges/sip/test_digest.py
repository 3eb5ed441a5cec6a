"""Digest authentication against RFC 7616's own example, and its nonces."""

import hashlib

import pytest

from dfd.bridges.sip.agent import AgentRules
from dfd.bridges.sip.digest import Authenticator
from tests.bridges.sip.kit import request, tag
from tests.bridges.sip.test_agent import OFFER, AgentHarness


def answer_to(
    challenge: str,
    method: str = "INVITE",
    user: str = "ann",
    password: str = "secret",
    qop: bool = True,
    count: str = "00000001",
) -> str:
    """Computes an agent's response by the formulas of RFC 7616, section 3.4."""
    fields = dict(one.partition("=")[::2] for one in challenge.removeprefix("Digest ").split(", "))
    fields = {name: value.strip('"') for name, value in fields.items()}
    name = fields["algorithm"]
    make = hashlib.sha256 if name == "SHA-256" else hashlib.md5

    def digest(text: str) -> str:
        return make(text.encode()).hexdigest()

    first, second = digest(f"{user}:dfd:{password}"), digest(f"{method}:sip:dfd@127.0.0.1")
    middle = f"{fields['nonce']}:{count}:c0ffee:auth" if qop else fields["nonce"]
    response = digest(f"{first}:{middle}:{second}")
    more = f', qop=auth, nc={count}, cnonce="c0ffee"' if qop else ""
    return (
        f'Digest username="{user}", realm="dfd", nonce="{fields["nonce"]}",'
        f' uri="sip:dfd@127.0.0.1", response="{response}", algorithm={name}{more}'
    )


@pytest.fixture
def checks() -> Authenticator:
    return Authenticator({"ann": "secret"}, algorithms=("SHA-256", "MD5"))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("qop", [True, False])
def test_a_correct_response_is_accepted_once(checks: Authenticator, number: int, qop: bool) -> None:
    header = answer_to(checks.challenges(5.0)[number], qop=qop)
    assert checks.check(header, "INVITE", 6.0).user == "ann"
    assert checks.check(header, "INVITE", 6.0).stale


def test_an_increasing_nonce_count_is_accepted(checks: Authenticator) -> None:
    challenge = checks.challenges(5.0)[0]
    assert checks.check(answer_to(challenge), "INVITE", 6.0).user
    assert checks.check(answer_to(challenge, count="00000002"), "INVITE", 6.0).user


def test_wrong_responses_are_refused(checks: Authenticator) -> None:
    challenge = checks.challenges(5.0)[0]
    for header in (
        answer_to(challenge, password="guess"),
        answer_to(challenge, user="bob"),
        answer_to(challenge, method="BYE"),
        answer_to(challenge).replace("SHA-256", "SHA-512-256"),
        answer_to(challenge).replace('realm="dfd"', 'realm="other"'),
    ):
        verdict = checks.check(header, "INVITE", 6.0)
        assert verdict.user is None
        assert verdict.wrong
    assert checks.check(None, "INVITE", 6.0).wrong is False
    assert checks.check("Basic YTpi", "INVITE", 6.0).user is None


def test_an_old_or_unknown_nonce_is_stale(checks: Authenticator) -> None:
    header = answer_to(checks.challenges(5.0)[0])
    assert checks.check(header, "INVITE", 400.0).stale
    foreign = answer_to(Authenticator({"ann": "secret"}).challenges(5.0)[0])
    assert checks.check(foreign, "INVITE", 6.0).stale


def test_unterminated_quotes_are_parsed_quickly(checks: Authenticator) -> None:
    header = "Digest " + ",".join(['a=""'] * 1000) + "!"
    assert checks.check(header[:4000], "INVITE", 6.0).user is None


def test_a_call_is_challenged_and_then_accepted(checks: Authenticator) -> None:
    harness = AgentHarness(AgentRules(authenticator=checks))
    refused = harness.ask(request("INVITE", body=OFFER))
    assert refused.code == 401
    challenges = refused.headers.getlist("WWW-Authenticate")
    assert [one.partition("algorithm=")[2].partition(",")[0] for one in challenges] == [
        "SHA-256",
        "MD5",
    ]
    harness.later(40.0)
    assert len(harness.sent) == 1  # no state is kept for a challenge
    harness.now = 101.0
    harness.tell(request("ACK", to_tag=tag(refused)))
    header = f"Authorization: {answer_to(challenges[1])}"
    taken = harness.ask(request("INVITE", body=OFFER, cseq=2, headers=(header,)))
    assert taken.code == 200
    assert harness.calls[0][0].labels["auth_user"] == "ann"
    assert [word for word, _ in harness.refusals] == ["challenged"]
    # requests within a call are not challenged again
    assert harness.ask(request("BYE", to_tag=tag(taken), cseq=3)).code == 200


def test_passwords_are_not_in_any_repr(checks: Authenticator) -> None:
    assert "secret" not in repr(AgentRules(authenticator=checks))
