"""What lies between this machine and a gateway: its name, a connection, TLS. Sends no request."""

import asyncio
import os
import socket
import ssl

from mcpdeck.client import LOOPBACK
from mcpdeck.config.contexts import Context
from mcpdeck.doctor import verdicts
from mcpdeck.doctor.verdicts import fine, wrong
from mcpdeck.errors import Misconfigured
from mcpdeck.model.findings import Finding
from mcpdeck.model.plain import one_line
from mcpdeck.trust import trust_in


async def name(host: str, port: int) -> Finding:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return wrong("name", f"{host} is not known: {error.strerror}", "check the URL, the VPN, the name server")
    addresses = sorted({str(address[0]) for *_, address in found})
    return fine("name", f"{host} is {', '.join(addresses[:4])}")


async def connection(host: str, port: int) -> Finding:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        return wrong("connection", f"{host}:{port}: {why}", "does it run? is a firewall between? is it the port?")
    writer.close()
    return fine("connection", f"port {port} is open")


async def tls(context: Context, host: str, port: int, *, now: float) -> Finding:
    """now: seconds since the epoch."""
    if not context.url.startswith("https:"):
        if host in LOOPBACK:
            return fine("tls", "none, and none needed on this machine")
        return wrong("tls", "plain http to another machine: no token is sent that way", "use the https URL")
    name_it = f"mcpdeck contexts add {context.name} {context.url} --ca-file FILE"
    try:
        trust = trust_in(context.ca_file)
    except Misconfigured as error:
        return wrong("tls", str(error), name_it)
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=trust)
    except ssl.SSLCertVerificationError as error:
        return wrong(
            "tls", f"the certificate is not believed: {error.verify_message}", f"name its authority: {name_it}"
        )
    except OSError as error:  # ssl.SSLError is one
        return wrong("tls", f"no TLS: {error}", "is it https on this port?")
    told = writer.get_extra_info("peercert") or {}
    writer.close()
    names = [str(value) for kind, value in told.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    ends = ssl.cert_time_to_seconds(told["notAfter"]) - now
    return verdicts.certificate(ends, one_line(", ".join(names[:3])) or host)
