"""Whether the way to a server leaves this machine: by its addresses, not by its name."""

import ipaddress
import socket


def is_loopback(server: str) -> bool:
    """Returns whether an address is on this machine."""
    host = server.rpartition(":")[0].strip("[]")
    if server.startswith("unix:") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def stays_here(server: str) -> bool:
    """Returns whether every address of a server's name is this machine's loopback.

    A proxy configured in the environment would take traffic meant for this machine elsewhere, so
    the resolved addresses decide, not the name.
    """
    if is_loopback(server):
        return True
    host = server.rpartition(":")[0].strip("[]")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False  # left for a proxy to resolve
    hosts = {str(where[0]).partition("%")[0] for *_, where in found}
    return all(ipaddress.ip_address(host).is_loopback for host in hosts)
