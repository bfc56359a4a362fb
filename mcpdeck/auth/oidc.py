"""Signing in to any other OpenID Connect issuer: device code, or a browser with a loopback redirect and PKCE.

By MSAL with `oidc_authority`: it comes with azure-identity anyway, is kept by Microsoft, speaks plain OIDC, and its
cache is one text that fits a keyring.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mcpdeck.auth.account import Account, Method
from mcpdeck.auth.browsers import hush
from mcpdeck.auth.errors import AuthError, SignInNeeded
from mcpdeck.auth.sources import Token, silently
from mcpdeck.auth.vault import Vault
from mcpdeck.errors import plainly


class OidcSignIn:
    """One account at one issuer. `tell` shows a line to the person who signs in."""

    def __init__(self, account: Account, vault: Vault, *, tell: Callable[[str], None]) -> None:
        if not account.method.asks_a_person:
            raise AuthError(f"{account.method} is Entra ID's; with {account.issuer} use browser or device-code")
        self._account, self._vault, self._tell = account, vault, tell

    def sign_in(self) -> str:
        """Asks a person. Returns the user's name."""
        import msal

        cache = msal.SerializableTokenCache()
        with _issuer_errors(self._account.issuer):
            application = self._application(cache)
            if self._account.method is Method.DEVICE_CODE:
                flow = application.initiate_device_flow(scopes=self._account.scopes)
                _checked(flow, wanted="user_code")
                self._tell(f"Open {flow['verification_uri']} and enter the code {flow['user_code']}")
                answer = application.acquire_token_by_device_flow(flow)
            else:
                hush()
                answer = application.acquire_token_interactive(self._account.scopes, timeout=300)
        _checked(answer, wanted="access_token")
        self._vault.write(self._account.key, cache.serialize())
        claims = answer.get("id_token_claims", {})
        return str(claims.get("preferred_username") or claims.get("name") or claims.get("sub", ""))

    def token(self, *, is_stale: bool = False) -> Token:
        return silently(self._vault, self._account, lambda text: self._refreshed(text, is_stale))

    def _refreshed(self, text: str, is_stale: bool) -> Token:
        import msal

        cache = msal.SerializableTokenCache()
        cache.deserialize(text)
        with _issuer_errors(self._account.issuer):
            application = self._application(cache)
            people = application.get_accounts()
            person = people[0] if people else None
            answer = application.acquire_token_silent(self._account.scopes, person, force_refresh=is_stale)
        if not answer or "access_token" not in answer:
            raise SignInNeeded("the sign-in has lapsed; run: mcpdeck login")
        if cache.has_state_changed:
            self._vault.write(self._account.key, cache.serialize())
        return Token(answer["access_token"], time.time() + int(answer.get("expires_in", 0)))

    def _application(self, cache: Any) -> Any:
        import msal

        more = {}
        if self._account.ca_file:
            from mcpdeck.auth.trust import trusting_session

            more["http_client"] = trusting_session(self._account.ca_file)
        return msal.PublicClientApplication(
            self._account.client_id, oidc_authority=self._account.issuer, token_cache=cache, **more
        )


def _checked(answer: dict[str, Any], *, wanted: str) -> None:
    if wanted not in answer:
        raise AuthError(f"the issuer refused: {answer.get('error_description') or answer.get('error') or 'no reason'}")


@contextmanager
def _issuer_errors(issuer: str) -> Iterator[None]:
    import requests

    try:
        yield
    except requests.RequestException as error:
        raise AuthError(f"{issuer} can't be reached: {plainly(error)}") from error
    except (ValueError, KeyError) as error:  # MSAL's own words for metadata it can't use
        raise AuthError(f"{issuer} can't be used for signing in: {error}") from error
