"""From an operator's variables to how replicas share. Every error names the variable and says what it wants."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

VARIABLES: Final = {
    "MCPDECK_REDIS_URL": "where replicas share: redis:// or rediss://HOST[:PORT][/DATABASE]; none: each knows its own",
    "MCPDECK_REDIS_URL_FILE": "the file that holds it, instead",
    "MCPDECK_REPLICA_URL": "where other replicas reach this one: http://HOST:PORT; none: nothing is forwarded",
    "MCPDECK_REPLICA_TTL": "seconds after which a replica that is not heard of is gone; 10",
    "MCPDECK_LIMITS_WITHOUT_REDIS": "open (each replica counts for itself, the default) or closed (refused)",
}
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
PREFIXES: Final = ("MCPDECK_REDIS_", "MCPDECK_REPLICA_")  # a misspelt one must not pass unseen


class Sharing(msgspec.Struct, frozen=True):
    """redis_url: holds a password, perhaps. is_strict: limits that can't be counted together refuse."""

    redis_url: str
    replica_url: str = ""
    ttl: float = 10.0
    is_strict: bool = False


def sharing(variables: Mapping[str, str]) -> Sharing | None:
    """None: this gateway is alone. Raises ValueError."""
    unknown = sorted(name for name in variables if name.startswith(PREFIXES) and name not in VARIABLES)
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no such setting; known are {', '.join(sorted(VARIABLES))}")
    given = {name: variables.get(name, "").strip() for name in VARIABLES}
    url = given["MCPDECK_REDIS_URL"] or _told_by(given["MCPDECK_REDIS_URL_FILE"])
    if not url:
        return None
    without = given["MCPDECK_LIMITS_WITHOUT_REDIS"] or "open"
    if without not in ("open", "closed"):
        raise ValueError(f"MCPDECK_LIMITS_WITHOUT_REDIS={without}: wanted open or closed")
    return Sharing(
        _redis_url(url),
        replica_url=_replica_url(given["MCPDECK_REPLICA_URL"]),
        ttl=_seconds(given["MCPDECK_REPLICA_TTL"] or "10"),
        is_strict=without == "closed",
    )


def _told_by(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError as error:
        raise ValueError(f"MCPDECK_REDIS_URL_FILE={path}: {error.strerror}") from error


def _redis_url(url: str) -> str:
    """What it was is not repeated: it may hold a password."""
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError("MCPDECK_REDIS_URL: wanted redis:// or rediss://[USER:PASSWORD@]HOST[:PORT][/DATABASE]")
    for name, path in parse_qsl(urlsplit(url).query):
        if name in _FILES:
            _check_readable(name, path)
    return url


def _check_readable(name: str, path: str) -> None:
    """Now, and not as one more reason for which Redis seems to be away."""
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise ValueError(f"MCPDECK_REDIS_URL: {name}={path}: {error.strerror}") from error


def _replica_url(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme != "http" or not parts.hostname or not parts.port or parts.path.strip("/")):
        raise ValueError(f"MCPDECK_REPLICA_URL={url}: wanted http://HOST:PORT")
    return url.rstrip("/")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0.5 <= seconds <= 3600:
        raise ValueError(f"MCPDECK_REPLICA_TTL={text}: wanted seconds, 0.5 to 3600")
    return seconds
