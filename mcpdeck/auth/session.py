"""One context's sign-in, put together: which source its tokens come from, and how requests carry them."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Final

import httpx

from mcpdeck.auth.account import TOKEN_VARIABLE, Account, Accounts, origin_of
from mcpdeck.auth.discovery import require_safe
from mcpdeck.auth.sources import GivenToken, SignIn, Token, TokenSource
from mcpdeck.auth.vault import Vault, open_vault

EARLY: Final = 120.0  # seconds before expiry at which a new token is fetched


def sign_in_of(account: Account, *, tell: Callable[[str], None], vault: Vault | None = None) -> SignIn:
    """The library that speaks to this account's issuer. vault: another place for what it keeps than the usual one."""
    vault = vault or open_vault(account.token_file)
    if account.tenant:
        from mcpdeck.auth.entra import EntraSignIn

        return EntraSignIn(account, vault, tell=tell)
    from mcpdeck.auth.oidc import OidcSignIn

    return OidcSignIn(account, vault, tell=tell)


def sign_out(account: Account, accounts: Accounts) -> None:
    """Removes everything that signing in left on this machine."""
    open_vault(account.token_file).forget(account.key)
    accounts.remove(account)


def source_of(context: str, gateway_url: str, environ: Mapping[str, str], accounts: Accounts) -> TokenSource | None:
    """Where this context's tokens come from; None: nobody signed in, and the gateway may not ask for it."""
    if given := environ.get(TOKEN_VARIABLE, ""):
        return GivenToken(given)
    account = accounts.find(context, origin_of(gateway_url))
    return None if account is None else sign_in_of(account, tell=_nobody_is_asked)


class BearerAuth(httpx.Auth):
    """Puts the token on requests to one gateway, and only there; a 401 is answered once with a new token."""

    def __init__(self, source: TokenSource, gateway_url: str) -> None:
        self._source = source
        self._origin = origin_of(gateway_url)
        self._token: Token | None = None
        self._fetching = asyncio.Lock()
        require_safe(self._origin)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if origin_of(str(request.url)) != self._origin:
            yield request
            return
        token = await self._current(refused=None)
        request.headers["Authorization"] = f"Bearer {token.text}"
        answer = yield request
        if answer.status_code == 401:
            token = await self._current(refused=token)
            request.headers["Authorization"] = f"Bearer {token.text}"
            yield request

    async def _current(self, *, refused: Token | None) -> Token:
        """Many requests at once fetch one token. Raises SignInNeeded."""
        async with self._fetching:
            if self._token is None or self._token is refused or _ends_soon(self._token):
                is_stale = refused is not None and self._token is refused
                self._token = await asyncio.to_thread(self._source.token, is_stale=is_stale)
            return self._token


def _ends_soon(token: Token) -> bool:
    return token.expires_at > 0 and token.expires_at - time.time() < EARLY


def _nobody_is_asked(line: str) -> None:
    raise AssertionError(f"a silent source wanted to ask a person: {line}")
