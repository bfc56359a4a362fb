"""Who the reader is at a gateway, as the deck asks for it. Shows nothing; all of it blocks, and belongs in a thread.

What is agreed to, done and kept are three steps, so that a sign-in which is given up leaves nothing behind.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from mcpdeck.auth.account import TOKEN_VARIABLE, Account, Accounts, Method, origin_of
from mcpdeck.auth.errors import AuthError
from mcpdeck.auth.sources import TokenSource
from mcpdeck.auth.vault import MemoryVault


class Plan(msgspec.Struct, frozen=True):
    """How one would sign in.

    is_agreed: the reader has signed in there before. is_lasting: a keyring will keep it. opens_window: a browser
    would open in a window of its own, and leave the deck's terminal alone.
    """

    account: Account
    is_agreed: bool
    is_lasting: bool
    opens_window: bool = True

    @property
    def place(self) -> str:
        account = self.account
        return account.issuer or f"{account.authority}/{account.tenant}"


class SignedIn(msgspec.Struct, frozen=True):
    """Who signed in, and what is to be kept of it. `user` is empty for a machine."""

    user: str
    account: Account
    kept: Mapping[str, str]

    def __repr__(self) -> str:
        return f"SignedIn({self.user!r}, {self.account!r}, …)"


class Identity(Protocol):
    """What the deck needs. Everything raises AuthError."""

    @property
    def is_given(self) -> bool:
        """Whether a token of the environment goes before every sign-in."""

    def plan(self, context: str, url: str, method: Method | None) -> Plan:
        """May ask the gateway. method: None for the one that was used before, or the usual one."""

    def sign_in(self, account: Account, tell: Callable[[str], None]) -> SignedIn:
        """Asks a person, and waits for them."""

    def keep(self, signed_in: SignedIn) -> None: ...

    def sign_out(self, context: str, url: str) -> bool:
        """Whether somebody was signed in."""

    def account(self, context: str, url: str) -> Account | None: ...

    def source(self, context: str, url: str) -> TokenSource | None:
        """Where this context's tokens come from; None: nobody signed in."""


class KeptIdentity:
    """By mcpdeck.auth: accounts in a file, tokens in the OS keyring, or in this process where there is none."""

    def __init__(
        self,
        accounts: Path,
        environ: Mapping[str, str],
        *,
        ca_file: Callable[[str], str],
        is_forwarded: Callable[[str], bool] = lambda _context: False,
        is_far: bool = False,
    ) -> None:
        """is_far: the reader sits elsewhere, and a window that opened here would open before somebody else."""
        self._accounts = Accounts(accounts)
        self._environ = environ
        self._ca_file, self._is_forwarded = ca_file, is_forwarded  # of a context
        self._is_far = is_far

    @property
    def is_given(self) -> bool:
        return bool(self._environ.get(TOKEN_VARIABLE))

    def plan(self, context: str, url: str, method: Method | None) -> Plan:
        from mcpdeck.auth.browsers import opens_window, usual_method
        from mcpdeck.auth.vault import open_vault

        has_window = not self._is_far and opens_window()
        if method is Method.BROWSER and not has_window:
            raise AuthError("no browser opens in a window of its own here; :login device-code needs none")
        known = self._accounts.find(context, origin_of(url))
        if known is not None and known.method.asks_a_person:
            usual = known.method if has_window else Method.DEVICE_CODE
            ca_file = self._ca_file(context) or known.ca_file
            chosen = msgspec.structs.replace(known, method=method or usual, ca_file=ca_file)
        else:
            chosen = self._discovered(context, url, method or (usual_method() if has_window else Method.DEVICE_CODE))
        is_lasting = open_vault(chosen.token_file).is_lasting
        return Plan(chosen, is_agreed=known is not None, is_lasting=is_lasting, opens_window=has_window)

    def _discovered(self, context: str, url: str, method: Method) -> Account:
        from mcpdeck.auth.discovery import discover
        from mcpdeck.auth.login import Wish, account_of

        ca_file = self._ca_file(context)
        offer = discover(url, ca_file=ca_file, is_forwarded=self._is_forwarded(context))
        return account_of(context, url, Wish(method=method, ca_file=ca_file), offer)

    def sign_in(self, account: Account, tell: Callable[[str], None]) -> SignedIn:
        from mcpdeck.auth.session import sign_in_of

        staging = MemoryVault()
        user = sign_in_of(account, tell=tell, vault=staging).sign_in()
        text = staging.read(account.key)
        return SignedIn(user, account, {} if text is None else {account.key: text})

    def keep(self, signed_in: SignedIn) -> None:
        from mcpdeck.auth.vault import open_vault

        vault = open_vault(signed_in.account.token_file)
        for key, text in signed_in.kept.items():
            vault.write(key, text)
        self._accounts.put(msgspec.structs.replace(signed_in.account, username=signed_in.user))

    def sign_out(self, context: str, url: str) -> bool:
        from mcpdeck.auth.session import sign_out

        account = self._accounts.find(context, origin_of(url))
        if account is not None:
            sign_out(account, self._accounts)
        return account is not None

    def account(self, context: str, url: str) -> Account | None:
        return self._accounts.find(context, origin_of(url))

    def source(self, context: str, url: str) -> TokenSource | None:
        from mcpdeck.auth.session import source_of

        return source_of(context, url, self._environ, self._accounts)
