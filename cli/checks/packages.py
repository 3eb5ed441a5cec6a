"""Checks of the interpreter and of the packages of each extra."""

import importlib.util
import platform
import sys
from collections.abc import Iterator

from dfd.cli.checks.finding import Finding, Level, Wanted
from dfd.errors import UserError

# the extras that an operator needs, and a module of each package that one brings
_EXTRAS = {
    "serve": ("torch", "torchaudio", "soxr", "webrtcvad", "grpc_health", "prometheus_client"),
    "console": ("nicegui",),
    "bridge": ("websockets", "sipmessage", "pylibsrtp"),
    "jwt": ("jwt",),
    "journal": ("sqlalchemy",),
    "otel": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.grpc"),
    "report": ("jinja2",),
    "evaluate": ("scipy", "matplotlib"),
}


def python(_: Wanted) -> Iterator[Finding]:
    """Checks the interpreter."""
    fine = (3, 11) <= sys.version_info < (3, 14)
    yield Finding(
        "Python",
        Level.GOOD if fine else Level.FAULT,
        f"{platform.python_version()} on {platform.machine()}",
        "" if fine else "use Python 3.11 to 3.13",
    )


def extras(_: Wanted) -> Iterator[Finding]:
    """Checks the packages of each extra, and the libraries that writing PDF needs."""
    for extra, modules in _EXTRAS.items():
        missing = [name for name in modules if not _is_installed(name)]
        yield Finding(
            f"dfd[{extra}]",
            Level.NOTE if missing else Level.GOOD,
            f"lacks {', '.join(missing)}" if missing else "installed",
            f"pip install 'dfd[{extra}]'" if missing else "",
        )
    yield _pdf()


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that should contain it is missing
        return False


def _pdf() -> Finding:
    from dfd.clients.display.casefile.render import check_pdf

    try:
        check_pdf()
    except UserError as error:
        why, _, remedy = str(error).partition(": ")
        return Finding("dfd[pdf]", Level.NOTE, why, remedy)
    return Finding("dfd[pdf]", Level.GOOD, "installed")
