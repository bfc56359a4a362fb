"""Who may see the deck in a browser: by a token, and by the names in a request. Pure.

A page of another site can make a browser ask this server: under another name that points here (DNS rebinding; told by
Host), or from that page (told by Origin). The cookie alone must not let either in.
"""

import hmac
import secrets
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from gateway.wire.hosts import host_name, is_own_page

LOCAL_NAME: Final = "localhost"


class Gate:
    """`token` goes round in the URL that is printed; `pass_` in a cookie that scripts can not read.

    names: hosts, with or without a port, by which this server is reached besides IP addresses and localhost.
    """

    def __init__(self, *, port: int, names: Iterable[str] = (), token: str = "", pass_: str = "") -> None:
        self.token = token or secrets.token_urlsafe(24)
        self.pass_ = pass_ or secrets.token_urlsafe(24)
        self.cookie = f"mcpdeck-{port}"  # cookies know no ports, and another deck may be served beside this one
        self._names = frozenset(name.lower() for name in names)

    def knows_host(self, host: str) -> bool:
        """Whether a reader would look for it there. An address can not be made to point elsewhere; a name can."""
        name = host_name(host)
        return _is_address(name) or name == LOCAL_NAME or bool({name, host.lower()} & self._names)

    def is_own(self, origin: str, host: str) -> bool:
        """Whether a page of this very server asks. Browsers say with every websocket which page it is."""
        return is_own_page(origin, host) and self.knows_host(host)

    def takes_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.token.encode())

    def takes_pass(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.pass_.encode())


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
