"""Which addresses and networks may call."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from dfd.errors import UserError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Reads addresses and networks.

    Raises:
        UserError: if one is neither.
    """
    read: list[Network] = []
    for text in texts:
        try:
            read.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            raise UserError(
                f"{text!r} is not an address or a network: write one such as 192.0.2.7 or"
                " 192.0.2.0/24"
            ) from None
    return tuple(read)


def within(host: str, allowed: Iterable[Network]) -> bool:
    """Returns whether an address is in one of the networks."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in allowed)
