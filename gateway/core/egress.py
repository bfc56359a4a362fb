"""Which addresses the gateway may call when a document or a user named the host. Resolves nothing and opens nothing.

Names can't be judged, only the addresses they resolve to: the caller resolves once, asks here, and connects to exactly
that address, so that a second answer of the name server (DNS rebinding) changes nothing.
"""

import ipaddress
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

# Addresses that hand out credentials or configuration of the machine, some of them in ranges that look public.
METADATA = frozenset(
    ipaddress.ip_address(each)
    for each in ("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


class Reach(Enum):
    """Where an address lies: the internet, this organisation's networks, or nowhere a request should ever go."""

    PUBLIC = "public"
    PRIVATE = "private"  # this machine and its neighbours: only where an operator said so
    FORBIDDEN = "forbidden"  # link-local, metadata, multicast, unspecified: never


def reach_of(address: str) -> Reach:
    """address: as getaddrinfo gives it, zone and all. Raises ValueError when it is none."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and (inner := _embedded(ip)) is not None:
        ip = inner
    if ip in METADATA or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return Reach.FORBIDDEN
    if ip.is_loopback or ip.is_private or not ip.is_global:
        return Reach.PRIVATE
    return Reach.PUBLIC


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for, where a translator or tunnel would deliver to it."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if any(ip in network for network in _NAT64):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    if int(ip) >> 32 == 0 and int(ip) > 1:  # ::a.b.c.d, deprecated and still parsed
        return IPv4Address(int(ip))
    return None
