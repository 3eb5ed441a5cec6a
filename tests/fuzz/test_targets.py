"""Each parser accepts valid input, and refuses damaged input with its own error."""

import base64
import random
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

# inputs that `scripts/fuzz` found, stored by `scripts/keep-corpus.py`
CORPUS = Path(__file__).parent / "corpus"
RUNS = dict.fromkeys(("ogg", "stream", "detect", "rtp-call"), 300)
RUNS |= {"recording": 60, "recording-pipe": 100, "payloads": 500}


@pytest.mark.parametrize("name", TARGETS)
def test_valid_input_is_accepted(name: str) -> None:
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_found_input_is_accepted_or_refused(name: str) -> None:
    target = TARGETS[name]
    kept = (CORPUS / f"{name}.txt").read_text().split("\n")
    for line in kept:
        try:
            target.run(base64.b64decode(line))
        except target.refusals:
            pass
        except Exception as error:
            raise AssertionError(f"{name} on {line}") from error


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_input_is_accepted_or_refused(name: str) -> None:
    target, rng = TARGETS[name], random.Random(name)
    seeds = target.seeds()
    for _ in range(RUNS.get(name, 2000)):
        damaged = bytearray(rng.choice(seeds))
        if rng.random() < 0.2:
            del damaged[rng.randrange(len(damaged)) :]
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(damaged) + 1)
            if rng.random() < 0.5 and at < len(damaged):
                damaged[at] = rng.choice((0, 10, 34, 127, 128, 255, rng.randrange(256)))
            else:
                damaged[at:at] = damaged[rng.randrange(len(damaged) + 1) :][: rng.randrange(9)]
        try:
            target.run(bytes(damaged))
        except target.refusals:
            pass
        except Exception as error:
            raise AssertionError(f"{name} on {bytes(damaged)!r}") from error
