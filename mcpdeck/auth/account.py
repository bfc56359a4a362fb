"""How one context signs in: which issuer, which client, by which method. Holds no secret and may lie on disk."""

from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from mcpdeck.auth.errors import AuthError

TOKEN_VARIABLE: Final = "MCPDECK_TOKEN"  # noqa: S105 - its name, not a token
_IMPLIED: Final = frozenset({"openid", "profile", "offline_access"})


class Method(StrEnum):
    """How a token is had. The first two ask a person; the others find what the machine already has."""

    BROWSER = "browser"
    DEVICE_CODE = "device-code"
    AZURE_CLI = "azure-cli"
    MANAGED_IDENTITY = "managed-identity"
    WORKLOAD_IDENTITY = "workload-identity"

    @property
    def asks_a_person(self) -> bool:
        return self in (Method.BROWSER, Method.DEVICE_CODE)


class Account(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True
):
    """One context's sign-in at one gateway.

    gateway: the origin that its tokens are for; they are never sent elsewhere. tenant: set for Entra ID, and then
    `authority` is the sign-in host; `issuer` is set for any other. scope: what is asked for, with spaces between.
    """

    context: str
    gateway: str
    method: Method = Method.BROWSER
    issuer: str = ""
    tenant: str = ""
    authority: str = "https://login.microsoftonline.com"
    client_id: str = ""
    scope: str = ""
    ca_file: str = ""
    token_file: str = ""  # opt-in: tokens in a file that only its owner reads, where there is no keyring
    username: str = ""

    @property
    def key(self) -> str:
        """Where its tokens are kept: a context that is pointed at another gateway finds none."""
        return f"{self.context} {self.gateway}"

    @property
    def scopes(self) -> list[str]:
        """Without those that MSAL asks for by itself, and refuses to be given."""
        return [each for each in self.scope.split() if each not in _IMPLIED]


class Accounts:
    """The accounts file: one account per context and gateway."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, context: str, gateway: str) -> Account | None:
        return next((each for each in self._read() if (each.context, each.gateway) == (context, gateway)), None)

    def put(self, account: Account) -> None:
        self._write([*(each for each in self._read() if each.key != account.key), account])

    def remove(self, account: Account) -> None:
        self._write([each for each in self._read() if each.key != account.key])

    def _read(self) -> list[Account]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[Account])
        except FileNotFoundError:
            return []
        except msgspec.DecodeError as error:
            raise AuthError(f"{self._path} can't be read ({error}); remove it and sign in again") from error

    def _write(self, accounts: list[Account]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replacement = self._path.with_name(self._path.name + ".new")
        replacement.write_bytes(msgspec.json.format(msgspec.json.encode(accounts)))
        replacement.replace(self._path)


def origin_of(url: str) -> str:
    """`https://HOST[:PORT]` of a gateway's URL, in lower case."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
