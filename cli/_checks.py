"""The checks of `dfd doctor`: each says what it found and how to fix it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from dfd.errors import UserError
from dfd.processors import usable

# only the extras that an operator needs
_EXTRAS = {
    "serve": ("torch", "torchaudio", "soxr", "webrtcvad", "grpc_health", "prometheus_client"),
    "console": ("nicegui",),
    "bridge": ("websockets",),
    "report": ("jinja2",),
    "evaluate": ("scipy", "matplotlib"),
}
_LEAST_FILES = 4096
_LEAST_FREE_BYTES = 1 << 30
_CERTIFICATE_DAYS = 30


class Level(StrEnum):
    """The severity of a finding."""

    GOOD = "good"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        found: what was found, as a clause.
        remedy: what to do; empty if nothing is wrong.
    """

    subject: str
    level: Level
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to check.

    Attributes:
        ports: names and numbers that the daemon and the console would take.
    """

    model: str
    device: str
    host: str
    ports: dict[str, int]
    connection: Any
    tls_cert: Path | None = None
    tls_key: Path | None = None


def python(_: Wanted) -> Iterator[Finding]:
    """Checks the interpreter and the packages of each extra."""
    version = platform.python_version()
    fine = (3, 11) <= sys.version_info < (3, 14)
    yield Finding(
        "Python",
        Level.GOOD if fine else Level.FAULT,
        f"{version} on {platform.machine()}",
        "" if fine else "use Python 3.11 to 3.13",
    )
    for extra, modules in _EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        yield Finding(
            f"dfd[{extra}]",
            Level.NOTE if missing else Level.GOOD,
            f"lacks {', '.join(missing)}" if missing else "installed",
            f"pip install 'dfd[{extra}]'" if missing else "",
        )


def processors(wanted: Wanted) -> Iterator[Finding]:
    """Checks torch, torchaudio and the devices."""
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    torch_version = importlib.metadata.version("torch")
    audio_version = importlib.metadata.version("torchaudio")
    same = torch_version.split(".")[:2] == audio_version.split(".")[:2]
    yield Finding(
        "torch",
        Level.GOOD if same else Level.FAULT,
        f"{torch_version}, torchaudio {audio_version}",
        "" if same else "install torch and torchaudio of the same release, 2.11",
    )
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            name = torch.cuda.get_device_name(index)
            found = f"{name}, {free >> 20} of {total >> 20} MiB free"
            yield Finding(f"cuda:{index}", Level.GOOD, found)
        return
    level = Level.FAULT if wanted.device.startswith("cuda") else Level.NOTE
    why = "torch was built without CUDA" if torch.version.cuda is None else "none is usable"
    yield Finding(
        "GPU",
        level,
        why,
        "dfd needs none; if the machine has one, check whether nvidia-smi shows it",
    )


def model(wanted: Wanted) -> Iterator[Finding]:
    """Checks whether the model loads and scores."""
    if importlib.util.find_spec("torch") is None:
        return
    import time

    import numpy as np

    from dfd.detector import load_detector

    began = time.perf_counter()
    try:
        detector = load_detector(wanted.model, device=wanted.device, batch_buckets=(1,))
    except UserError as error:
        yield Finding("model", Level.FAULT, str(error), "choose another with --model or --device")
        return
    loaded = time.perf_counter() - began
    spec = detector.spec
    samples = np.random.default_rng(0).normal(0, 0.1, (1, spec.window_samples)).astype(np.float32)
    lengths = np.array([spec.window_samples])
    times = []
    for _ in range(5):
        began = time.perf_counter()
        score = float(detector.score(samples, lengths)[0])
        times.append(time.perf_counter() - began)
    fine = np.isfinite(score)
    yield Finding(
        "model",
        Level.GOOD if fine else Level.FAULT,
        f"{spec.name} {spec.version} on {spec.device} in {spec.precision}: loaded in"
        f" {loaded:.1f} s, a window of {spec.window_samples / spec.sample_rate_hz:g} s in"
        f" {min(times) * 1e3:.1f} ms",
        "" if fine else "its scores are not finite: fetch the weights again, or use fp32",
    )
    if spec.error_rates is None:
        yield Finding(
            "model's errors",
            Level.NOTE,
            "its card states no error rates",
            "measure them with dfd evaluate before you rely on its verdicts",
        )


def ports(wanted: Wanted) -> Iterator[Finding]:
    """Checks whether the ports are free."""
    for name, number in wanted.ports.items():
        try:
            with socket.create_server((wanted.host, number)):
                pass
        except OSError as error:
            yield Finding(
                f"port {number}",
                Level.NOTE,
                f"for the {name}: {error.strerror}",
                "a daemon may be running already; if not, choose another port",
            )
        else:
            yield Finding(f"port {number}", Level.GOOD, f"free for the {name}")


def server(wanted: Wanted) -> Iterator[Finding]:
    """Checks whether a daemon answers where clients look for one."""
    from dfd.clients.blocking import DetectionClient
    from dfd.clients.errors import DetectionError

    name = f"daemon at {wanted.connection.server}"
    try:
        with DetectionClient(wanted.connection) as client:
            info = client.server_info(timeout_seconds=5.0)
    except UserError as error:
        yield Finding(name, Level.FAULT, str(error), "correct the option")
    except DetectionError as error:
        absent = error.code == "UNAVAILABLE" and not error.reason
        remedy = "start one with dfd serve, or name it with --server"
        if error.code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
            remedy = "give a token that it accepts: --token-file or DFD_TOKEN"
        yield Finding(
            name,
            Level.NOTE if absent else Level.FAULT,
            "none answers" if absent else error.message,
            remedy,
        )
    else:
        full = info.active_streams >= info.max_streams
        yield Finding(
            name,
            Level.NOTE if full else Level.GOOD,
            f"dfd {info.version}, {info.models[0].name},"
            f" {info.active_streams} of {info.max_streams} streams",
            "it is full: add an instance, or raise --max-streams" if full else "",
        )


def certificates(wanted: Wanted) -> Iterator[Finding]:
    """Checks whether certificate and key match, and when the certificate expires."""
    cert, key = wanted.tls_cert, wanted.tls_key
    if cert is None or key is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ValueError) as error:
        said = (getattr(error, "strerror", "") or str(error)).rstrip(".")
        yield Finding(
            "certificate",
            Level.FAULT,
            f"{cert} and {key} do not match, or are not PEM without a passphrase ({said})",
            "create both again, the key unencrypted",
        )
        return
    if importlib.util.find_spec("cryptography") is None:
        yield Finding(
            "certificate", Level.GOOD, "matches its key; install dfd[jwt] to see when it expires"
        )
        return
    from cryptography import x509

    until = x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc
    days = (until - datetime.now(UTC)).days
    soon = days < _CERTIFICATE_DAYS
    yield Finding(
        "certificate",
        Level.FAULT if days < 0 else Level.NOTE if soon else Level.GOOD,
        f"matches its key, valid until {until:%Y-%m-%d}",
        "renew it: the daemon picks up a new one without a restart" if soon else "",
    )


def sound(_: Wanted) -> Iterator[Finding]:
    """Checks whether there is a microphone."""
    from dfd.clients.sources.microphone import list_devices

    try:
        devices = list_devices()
    except UserError as error:
        yield Finding("microphone", Level.NOTE, str(error), "only dfd listen needs one")
        return
    default = next((device.name for device in devices if device.default), "")
    yield Finding(
        "microphone",
        Level.GOOD if devices else Level.NOTE,
        f"{len(devices)} inputs, {default or 'none'} by default" if devices else "none found",
        "" if devices else "only dfd listen needs one: connect it, or check the sound server",
    )


def limits(_: Wanted) -> Iterator[Finding]:
    """Checks open files, memory and disk space."""
    if importlib.util.find_spec("resource") is not None:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = 0 <= soft < _LEAST_FILES
        yield Finding(
            "open files",
            Level.NOTE if few else Level.GOOD,
            f"at most {soft if soft >= 0 else 'any number'}",
            f"each connection takes one: ulimit -n {min(hard, 65536) if hard > 0 else 65536}"
            if few
            else "",
        )
    available = _available_bytes()
    if available is not None:
        little = available < _LEAST_FREE_BYTES
        yield Finding(
            "memory",
            Level.NOTE if little else Level.GOOD,
            f"{available >> 20} MiB available, {usable()} usable processors",
            "torch and a model take about 1 GiB: free some memory" if little else "",
        )
    free = shutil.disk_usage(Path.home()).free
    little = free < _LEAST_FREE_BYTES
    yield Finding(
        "disk",
        Level.NOTE if little else Level.GOOD,
        f"{free >> 30} GiB free in {Path.home()}",
        "models from the hub and journals need space" if little else "",
    )


def _available_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


CHECKS: tuple[Callable[[Wanted], Iterator[Finding]], ...] = (
    python,
    processors,
    model,
    ports,
    server,
    certificates,
    sound,
    limits,
)
