"""How the examples of the help texts run in a test."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest


def extra(module: str, brings: str) -> Callable[[], None]:
    """Skips if a package is missing."""
    return lambda: pytest.importorskip(module, reason=f"pip install 'dfd[{brings}]'")


@dataclass(frozen=True)
class How:
    """Settings for running an example.

    Attributes:
        until: it ends by a signal, once it has said this; empty where it ends by itself.
        statuses: what it may end with.
        more: arguments that make it short, or its port a free one.
        before: lines that run first.
        feed: what is typed.
        call: whether call-1041 runs meanwhile.
        microphone: whether it hears one.
        environment: beside what all have.
        need: skips where something is missing.
        hub: whether organisation/model is on the hub.
        by_hand: whether it runs only if asked for: it needs the network, or a minute of CPU.
    """

    until: str = ""
    statuses: tuple[int, ...] = (0,)
    more: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    feed: str = ""
    call: bool = False
    microphone: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    need: Callable[[], object] | None = None
    hub: bool = False
    by_hand: bool = False


FREE = ("--listen", "127.0.0.1:0")


_BRIDGE = How(until="ready on", more=FREE)


_NOOP = {"DFD_SERVE_MODEL": "noop"}


# measures for minutes, so it is interrupted after its first lines; another example is quick
_LONG = How(until="load .* before|measured once|starting the daemon", statuses=(1,))


_HEARS = How(until="rolling", statuses=(0, 1), microphone=True)


_PAGE = How(until="ready on", more=("--port", "0"), need=extra("nicegui", "console"))


_COMPARES = How(before=("dfd bench core --quick --report before.json", "cp before.json after.json"))


_LOADED = ("dfd models load ./better",)


RUNS: dict[str, How] = {
    "dfd serve": How(until="ready on", environment=_NOOP),
    "dfd serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem --token-file tokens.toml": How(
        until="ready on", environment=_NOOP
    ),
    "dfd listen": _HEARS,
    "dfd listen --seconds 60 --on-alert file:alerts.jsonl --fail-on-alert": _HEARS,
    "dfd history purge --journal calls.sqlite --before 2026-01-31": How(feed="y\n"),
    "dfd replay --speed max --plot call.png --events events.jsonl call.wav": How(
        need=extra("matplotlib", "plot")
    ),
    "dfd watch --filter queue=sales --sort length": How(until="began", call=True),
    "dfd watch --server node-1:50051 --server node-2:50051": How(until="began", call=True),
    "dfd watch --json --alerts-only | jq -r '.streams[] | .stream_id'": How(until="snapshot"),
    "dfd console": _PAGE,
    "dfd console --server node-1:50051 --server node-2:50051 --journal calls.sqlite": _PAGE,
    "dfd console --host 0.0.0.0 --console-token-file viewers.token --console-cert cert.pem"
    " --console-key key.pem": _PAGE,
    "dfd report call-1041 --output case-17.html": How(call=True),
    "dfd report call-1041 --journal calls.sqlite --pdf": How(
        call=True, need=extra("weasyprint", "pdf")
    ),
    "dfd bridge audiosocket": _BRIDGE,
    "dfd bridge audiosocket --on-alert file:alerts.jsonl --events events.jsonl": _BRIDGE,
    "dfd bridge rtp --listen 127.0.0.1:5004": _BRIDGE,
    "dfd bridge rtp --ports 20000-20198 --payload 111=opus/48000": How(until="ready on"),
    "dfd bridge sip": _BRIDGE,
    "dfd bridge sip --listen 127.0.0.1:5060 --label-header X-Call-ID": _BRIDGE,
    "dfd bridge websocket --dialect twilio": _BRIDGE,
    "dfd bridge websocket --dialect mod_audio_fork --rate 16000 --channels 2": _BRIDGE,
    # 1: there is a fault, such as no card on this machine
    "dfd doctor": How(statuses=(0, 1)),
    "dfd doctor --device cuda --serve-cert cert.pem --serve-key key.pem": How(statuses=(0, 1)),
    "dfd models activate": How(before=_LOADED),
    "dfd models activate --replace bundled": How(before=_LOADED),
    "dfd models rollback": How(before=(*_LOADED, "dfd models activate")),
    "dfd models rollback --server 10.0.0.5:50051": How(before=(*_LOADED, "dfd models activate")),
    "dfd models pull aasist": How(by_hand=True),
    "dfd models pull organisation/model": How(hub=True),
    "dfd train --corpus corpus --out runs/mine": How(
        more=("--steps", "1", "--no-tensorboard", "--encoder", "encoder.safetensors"),
        need=extra("pyworld", "world"),
        by_hand=True,
    ),
    "dfd train --recipe frozen-logreg --corpus corpus --backbone bundled": How(
        more=("--set", "folds=3"), need=extra("sklearn", "train")
    ),
    "dfd calibrate --fuse bundled+AASIST.pth --people people --machines machines": How(
        before=("dfd calibrate --model AASIST.pth --people people --machines machines",)
    ),
    "dfd bench compare before.json after.json": _COMPARES,
    "dfd bench compare --json before.json after.json": _COMPARES,
    "dfd bench core": _LONG,
    "dfd bench model": _LONG,
    "dfd bench serve": _LONG,
    # the reference models take minutes to load on a busy machine
    "dfd bench model --quick --batch 1,4 --report model.json": How(more=("--peer", "none")),
}
