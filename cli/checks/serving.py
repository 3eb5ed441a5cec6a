"""Checks of what serves: the model, the ports, the daemon and its certificate."""

import importlib.util
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

from dfd.cli.checks.finding import Finding, Level, Wanted
from dfd.errors import UserError

_CERTIFICATE_DAYS = 30


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


def certificate(wanted: Wanted) -> Iterator[Finding]:
    """Checks whether certificate and key match, and when the certificate expires."""
    cert, key = wanted.tls_cert, wanted.tls_key
    if cert is None or key is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", "") or str(error)).rstrip(".")
        yield Finding(
            "certificate",
            Level.FAULT,
            f"{cert} and {key} do not match, or are not PEM without a passphrase ({reason})",
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
