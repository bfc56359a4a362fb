"""Signing in to Microsoft Entra ID, by azure-identity. Keeps nothing itself: the token cache goes to the vault."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from mcpdeck.auth.account import Account, Method
from mcpdeck.auth.browsers import hush
from mcpdeck.auth.errors import AuthError, SignInNeeded
from mcpdeck.auth.sources import Token, silently
from mcpdeck.auth.vault import Vault

WELL_KNOWN_HOSTS: Final = frozenset(
    f"https://{host}"
    for host in ("login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn")
)


class Kept(msgspec.Struct, frozen=True):
    """What the vault holds for a person: MSAL's cache, and which account of it is ours."""

    record: str
    cache: str


class EntraSignIn:
    """One account at Entra ID. `tell` shows a line to the person who signs in (the device code)."""

    def __init__(self, account: Account, vault: Vault, *, tell: Callable[[str], None]) -> None:
        self._account, self._vault, self._tell = account, vault, tell
        self._given = ""

    def sign_in(self) -> str:
        """Asks a person, or checks what the machine has. Returns the user's name, "" for a machine."""
        if not self._account.method.asks_a_person:
            self.token()
            return ""
        import msal

        cache = msal.SerializableTokenCache()
        with _azure_errors(), self._credential(cache) as credential:
            record = credential.authenticate(scopes=self._account.scopes)
        self._keep(record.serialize(), cache)
        return str(record.username)

    def token(self, *, is_stale: bool = False) -> Token:
        if not self._account.method.asks_a_person:
            with _azure_errors(), self._machine_credential() as credential:
                found = credential.get_token(*self._account.scopes)
            return self._unless_refused(Token(found.token, found.expires_on), is_stale)
        return silently(self._vault, self._account, lambda text: self._refreshed(text, is_stale))

    def _refreshed(self, text: str, is_stale: bool) -> Token:
        import msal

        kept = msgspec.json.decode(text, type=Kept)
        cache = msal.SerializableTokenCache()
        cache.deserialize(kept.cache)
        if is_stale:
            _drop_access_tokens(cache)
        with _azure_errors(), self._credential(cache, record=self._record(kept)) as credential:
            found = credential.get_token(*self._account.scopes)
        if cache.has_state_changed:
            self._keep(kept.record, cache)
        return Token(found.token, found.expires_on)

    def _record(self, kept: Kept) -> Any:
        """With the authority as configured: the serialized one lacks its scheme, which is misread before a port."""
        from azure.identity import AuthenticationRecord

        record = AuthenticationRecord.deserialize(kept.record)
        return AuthenticationRecord(
            record.tenant_id, record.client_id, self._account.authority, record.home_account_id, record.username
        )

    def _keep(self, record: str, cache: Any) -> None:
        self._vault.write(self._account.key, msgspec.json.encode(Kept(record, cache.serialize())).decode())

    def _credential(self, cache: Any, record: Any = None) -> Any:
        from azure.identity import DeviceCodeCredential, InteractiveBrowserCredential

        # `_cache`: azure-identity's public way to persist needs PyGObject on Linux, or writes in clear; MSAL's
        # serializable cache is the same thing without its own idea of where to lie.
        options = self._options() | {"_cache": cache, "client_id": self._account.client_id}
        if record is not None:
            del options["authority"]  # the record's own
            options |= {"authentication_record": record, "disable_automatic_authentication": True}
        if self._account.method is Method.DEVICE_CODE:
            return DeviceCodeCredential(prompt_callback=self._show_code, **options)
        hush()
        return InteractiveBrowserCredential(**options)

    def _machine_credential(self) -> Any:
        from azure.identity import AzureCliCredential, ManagedIdentityCredential, WorkloadIdentityCredential

        match self._account.method:
            case Method.AZURE_CLI:
                return AzureCliCredential(tenant_id=self._account.tenant)
            case Method.MANAGED_IDENTITY:
                return ManagedIdentityCredential(client_id=self._account.client_id or None)
            case _:
                given = {"client_id": self._account.client_id} if self._account.client_id else {}
                return WorkloadIdentityCredential(**self._options(), **given)

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "tenant_id": self._account.tenant,
            "authority": self._account.authority,
            # Microsoft can only vouch for its own hosts; another one was named by the person who configured it.
            "disable_instance_discovery": self._account.authority not in WELL_KNOWN_HOSTS,
        }
        if self._account.ca_file:
            from azure.core.pipeline.transport import RequestsTransport

            from mcpdeck.auth.trust import trusting_session

            options["transport"] = RequestsTransport(session=trusting_session(self._account.ca_file))
        return options

    def _show_code(self, address: str, code: str, _expires_on: Any) -> None:
        self._tell(f"Open {address} and enter the code {code}")

    def _unless_refused(self, token: Token, is_stale: bool) -> Token:
        """A machine's token is cached by whoever gave it; a second refusal of the same one can't be cured by asking."""
        if is_stale and token.text == self._given:
            raise SignInNeeded(f"the gateway refuses the token of {self._account.method}; see: mcpdeck whoami")
        self._given = token.text
        return token


def _drop_access_tokens(cache: Any) -> None:
    for entry in list(cache.search(cache.CredentialType.ACCESS_TOKEN)):
        cache.remove_at(entry)


@contextmanager
def _azure_errors() -> Iterator[None]:
    from azure.core.exceptions import AzureError, ClientAuthenticationError
    from azure.identity import AuthenticationRequiredError, CredentialUnavailableError

    try:
        yield
    except AuthenticationRequiredError as error:
        raise SignInNeeded("the sign-in has lapsed; run: mcpdeck login") from error
    except CredentialUnavailableError as error:
        raise SignInNeeded(f"this machine has no such credential: {error.message}") from error
    except ClientAuthenticationError as error:
        raise AuthError(f"Entra ID refused the sign-in: {error.message}") from error
    except AzureError as error:
        raise AuthError(f"Entra ID can't be reached: {error.message}") from error
