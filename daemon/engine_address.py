"""The address of a remote engine: a Ray cluster or a Triton server."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from dfd.errors import UserError

RAY, TRITON = "ray", "triton"
SCHEMES = (RAY, TRITON)
_CONNECT_SECONDS = 5.0
# scheme -> arguments that its addresses may have
LOCAL = "local"
_FALLBACK = "fallback"
TLS = ("tls", "ca", "cert", "key")
_ARGUMENTS = {RAY: ("replicas", "cpus", "gpus", _FALLBACK), TRITON: TLS}


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """A remote engine.

    Attributes:
        scheme: one of `SCHEMES`.
        place: "HOST:PORT" of the cluster's head or of the server; or, of a cluster, "auto" for
            the one that this machine belongs to, "local" for one that is started for this daemon
            alone.
        name: name of the application or model.
        arguments: what follows the question mark.
    """

    scheme: str
    place: str
    name: str
    arguments: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads an address.

        Raises:
            UserError: if it is not one.
        """
        parts = urlsplit(text)
        arguments = dict(parse_qsl(parts.query))
        if parts.scheme not in SCHEMES or not parts.netloc:
            raise UserError(
                f"the engine {text} is not an address: use ray://auto on a node of a Ray cluster, "
                "ray://local to start one for a try, ray://HOST:PORT of its head, or "
                "triton://HOST:PORT/MODEL of a Triton server"
            )
        name = parts.path.strip("/")
        if parts.scheme == TRITON and not (name and parts.netloc.rpartition(":")[0]):
            raise UserError(
                f"the engine {text} is not complete: use triton://HOST:PORT/MODEL, with Triton's "
                "gRPC port, 8001 if nothing else was chosen"
            )
        allowed = _ARGUMENTS[parts.scheme]
        unknown = next((argument for argument in arguments if argument not in allowed), None)
        if unknown is not None:
            raise UserError(
                f"the engine {text} has the unknown argument {unknown}; "
                f"use {', '.join(allowed) or 'none'}"
            )
        if arguments.get(_FALLBACK, LOCAL) != LOCAL:
            raise UserError(
                f"the engine {text} can fall back to {LOCAL} only: use {_FALLBACK}={LOCAL}, which "
                "keeps the model loaded here too, or leave it out"
            )
        if arguments.get("tls", "on") != "on":
            raise UserError(f"the engine {text} can have tls=on only: use it, or leave it out")
        if ("cert" in arguments) is not ("key" in arguments):
            raise UserError(f"the engine {text} needs both cert and key: give the files of both")
        return cls(parts.scheme, parts.netloc, name or "dfd", arguments)

    @property
    def deployment(self) -> dict[str, str]:
        """The arguments for the application, if it has to be deployed first."""
        return {name: value for name, value in self.arguments.items() if name != _FALLBACK}

    @property
    def encrypted(self) -> bool:
        """Whether a server is reached by TLS."""
        return any(name in self.arguments for name in TLS)

    @property
    def fallback(self) -> str | None:
        """What scores while the cluster is away."""
        return self.arguments.get(_FALLBACK)


def check_reachable(place: str) -> None:
    """Makes sure that something listens at "HOST:PORT", which a client library may try for minutes.

    Raises:
        UserError: if nothing does.
    """
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS):
            return
    except ValueError:
        raise UserError(f"{place} is not HOST:PORT, auto or local") from None
    except OSError as error:
        raise UserError(
            f"no Ray cluster answers at {place}: start one with ray start --head, or use "
            f"ray://local ({error.strerror or error})"
        ) from None


def is_remote(engine: str) -> bool:
    """Returns whether an engine is an address and not the name of one on this machine."""
    return "://" in engine
