"""What the local issuer has granted: codes, device codes, refresh tokens. Knows nothing of HTTP."""

import base64
import hashlib
import secrets
import time
from typing import Final

import msgspec

from mcpdeck.devissuer.tokens import User

CODE_LIFETIME: Final = 300.0  # seconds
REFRESH_LIFETIME: Final = 24 * 3600.0


class Grant(msgspec.Struct, frozen=True):
    """Who signed in, at which client, for what."""

    user: User
    client_id: str
    scopes: tuple[str, ...] = ()
    redirect_uri: str = ""
    challenge: str = ""  # PKCE, S256
    nonce: str = ""


class DeviceRequest(msgspec.Struct):
    """A device that waits. `user` is None until someone entered the code; `is_denied` when they said no."""

    client_id: str
    scopes: tuple[str, ...]
    user_code: str
    expires_at: float
    user: User | None = None
    is_denied: bool = False


class GrantError(Exception):
    """An OAuth error code (RFC 6749, section 5.2; RFC 8628, section 3.5) as the client is told it."""


class Grants:
    def __init__(self) -> None:
        self._codes: dict[str, tuple[Grant, float]] = {}
        self._refresh: dict[str, tuple[Grant, float]] = {}
        self._devices: dict[str, DeviceRequest] = {}

    def code(self, grant: Grant) -> str:
        code = secrets.token_urlsafe(32)
        self._codes[code] = (grant, time.monotonic() + CODE_LIFETIME)
        return code

    def redeem_code(self, code: str, *, client_id: str, redirect_uri: str, verifier: str) -> Grant:
        grant, expires_at = self._codes.pop(code, (None, 0.0))  # single use, whatever follows
        if grant is None or expires_at < time.monotonic():
            raise GrantError("invalid_grant")
        if (grant.client_id, grant.redirect_uri) != (client_id, redirect_uri):
            raise GrantError("invalid_grant")
        if not secrets.compare_digest(s256(verifier), grant.challenge):
            raise GrantError("invalid_grant")
        return grant

    def refresh_token(self, grant: Grant) -> str:
        token = secrets.token_urlsafe(32)
        self._refresh[token] = (grant, time.monotonic() + REFRESH_LIFETIME)
        return token

    def redeem_refresh(self, token: str, *, client_id: str) -> Grant:
        grant, expires_at = self._refresh.pop(token, (None, 0.0))  # rotating: each serves once
        if grant is None or expires_at < time.monotonic() or grant.client_id != client_id:
            raise GrantError("invalid_grant")
        return grant

    def revoke_refresh_tokens(self) -> None:
        self._refresh.clear()

    def device(self, client_id: str, scopes: tuple[str, ...]) -> tuple[str, DeviceRequest]:
        device_code = secrets.token_urlsafe(32)
        alphabet = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628, section 6.1: no vowels, no words
        user_code = "".join(secrets.choice(alphabet) for _ in range(8))
        request = DeviceRequest(client_id, scopes, user_code, time.monotonic() + CODE_LIFETIME)
        self._devices[device_code] = request
        return device_code, request

    def waiting_device(self, user_code: str) -> DeviceRequest | None:
        typed = user_code.strip().upper().replace("-", "")
        return next((each for each in self._devices.values() if each.user_code == typed), None)

    def redeem_device(self, device_code: str, *, client_id: str) -> Grant:
        request = self._devices.get(device_code)
        if request is None or request.client_id != client_id:
            raise GrantError("invalid_grant")
        if request.expires_at < time.monotonic():
            del self._devices[device_code]
            raise GrantError("expired_token")
        if request.is_denied:
            del self._devices[device_code]
            raise GrantError("access_denied")
        if request.user is None:
            raise GrantError("authorization_pending")
        del self._devices[device_code]
        return Grant(request.user, client_id, request.scopes)


def s256(verifier: str) -> str:
    """RFC 7636's code challenge."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
