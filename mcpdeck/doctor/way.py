"""What lies between this machine and a gateway: its name, a connection, TLS. Sends no request."""

import asyncio
import os
import re
import shlex
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

from mcpdeck.client import LOOPBACK
from mcpdeck.config.contexts import Context
from mcpdeck.doctor import verdicts
from mcpdeck.doctor.verdicts import fine, wrong
from mcpdeck.errors import Misconfigured
from mcpdeck.model.findings import Finding
from mcpdeck.model.plain import one_line
from mcpdeck.trust import trust_in

_OF_ITS_TIME: Final = (9, 10)  # OpenSSL's verify codes: not yet valid, expired
_OF_ITS_NAME: Final = (62, 64)  # another host, another address
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")
_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]*")  # a wildcard names no host


async def name(host: str, port: int) -> Finding:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return wrong("name", f"{host} is not known: {error.strerror}", "check the URL, the VPN, the name server")
    addresses = sorted({str(address[0]) for *_, address in found})
    return fine("name", f"{host} is {', '.join(addresses[:4])}")


async def connection(context: Context, host: str, port: int) -> Finding:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        return wrong("connection", f"{host}:{port}: {why}", _opener(context, host))
    writer.close()
    return fine("connection", f"port {port} is open")


async def tls(context: Context, host: str, port: int, *, now: float) -> Finding:
    """now: seconds since the epoch."""
    if not context.url.startswith("https:"):
        if host in LOOPBACK:
            return fine("tls", "none, and none needed on this machine")
        return wrong("tls", "plain http to another machine: no token is sent that way", "use the https URL")
    name_it = f"{renamed(context, context.url)} --ca-file FILE"
    try:
        trust = trust_in(context.ca_file)
    except Misconfigured as error:
        return wrong("tls", str(error), name_it)
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=trust)
    except ssl.SSLCertVerificationError as error:
        told = f"the certificate is not believed: {error.verify_message.rstrip('.')}"
        if error.verify_code in _OF_ITS_TIME:
            return wrong("tls", told, "have it renewed where the gateway runs, or set the clock of this machine right")
        if error.verify_code in _OF_ITS_NAME:
            return await _of_another_name(context, host, port, trust)
        return wrong("tls", told, f"name its authority: {name_it}")
    except ssl.SSLError as error:
        if error.reason == "WRONG_VERSION_NUMBER":
            return wrong("tls", f"port {port} speaks no TLS, and something else", _plain(context, host))
        return wrong("tls", f"no TLS: {error.reason or error}", "is it https on this port?")
    except OSError as error:
        return wrong("tls", f"no TLS: {error}", "is it https on this port?")
    names, ends = _names_and_end(writer)
    return verdicts.certificate(ends - now, one_line(", ".join(names[:3])) or host)


def renamed(context: Context, url: str) -> str:
    """The command by which a context leads there from now on, with its rules kept. Without a name it gets one."""
    rules = ["--read-only"] * context.read_only + ["--protected"] * context.protected
    authority = ["--ca-file", shlex.quote(context.ca_file)] if context.ca_file else []
    name = _UNFIT.sub("-", context.name).strip("-.") or "gateway"
    return " ".join(["mcpdeck contexts add", name, url, *authority, *rules])


def _opener(context: Context, host: str) -> str:
    if context.is_forwarded:
        return f"mcpdeck up --cluster --kube-context {context.name}, and leave it running"
    if host in LOOPBACK:
        return "mcpdeck up, and leave it running, if it is to run on this machine; else correct the URL"
    return "does it run? is a firewall between? is it the port?"


def _plain(context: Context, host: str) -> str:
    if host in LOOPBACK:
        return f"if it is plain http: {renamed(context, context.url.replace('https:', 'http:', 1))}"
    return "correct the port in the URL, or have the gateway serve TLS there"


async def _of_another_name(context: Context, host: str, port: int, trust: ssl.SSLContext) -> Finding:
    """Once more, without comparing names, to hear which it has; nothing is sent."""
    trust.check_hostname = False
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=trust)
    except OSError as error:
        return wrong("tls", f"no TLS: {error}", "is it https on this port?")
    names, _ = _names_and_end(writer)
    told = f"the certificate is for {one_line(', '.join(names[:3])) or 'nobody'}, not for {host}"
    host_in = next((each for each in names if _HOST.fullmatch(each)), "")
    if not host_in:
        return wrong("tls", told, "have a certificate made that holds this name")
    url = urlsplit(context.url)._replace(netloc=f"{host_in}:{port}" if port != 443 else host_in).geturl()
    return wrong("tls", told, renamed(context, url))


def _names_and_end(writer: asyncio.StreamWriter) -> tuple[list[str], float]:
    """What its certificate is for, and until when."""
    told = writer.get_extra_info("peercert") or {}
    writer.close()
    names = [str(value) for kind, value in told.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    return names, ssl.cert_time_to_seconds(told["notAfter"])
