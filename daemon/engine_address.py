"""The address of a remote engine: `ray://CLUSTER[/APPLICATION][?replicas=2]`."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from dfd.errors import UserError

SCHEMES = ("ray",)
_CONNECT_SECONDS = 5.0
_ARGUMENTS = ("replicas", "cpus", "gpus")


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """A remote engine.

    Attributes:
        scheme: one of `SCHEMES`.
        place: "auto" for the cluster that this machine belongs to, "local" for one that is
            started for this daemon alone, or "HOST:PORT" of its head.
        name: name of the application.
        arguments: arguments for the application if it has to be deployed first.
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
                "ray://local to start one for a try, or ray://HOST:PORT of its head"
            )
        unknown = next((name for name in arguments if name not in _ARGUMENTS), None)
        if unknown is not None:
            raise UserError(
                f"the engine {text} has the unknown argument {unknown}; use {', '.join(_ARGUMENTS)}"
            )
        return cls(parts.scheme, parts.netloc, parts.path.strip("/") or "dfd", arguments)


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
