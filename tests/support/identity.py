"""A way to sign in that asks nobody: what it was asked for is kept, and it waits where a test wants it to."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from mcpdeck.auth.account import Account, Method
from mcpdeck.auth.errors import AuthError
from mcpdeck.auth.sources import TokenSource
from mcpdeck.tui.identity import Plan, SignedIn

ISSUER = "https://login.example.com"


@dataclass
class FakeIdentity:
    """`on_sign_in` is called from the sign-in's thread, with its account; `refusal` is what the issuer says instead."""

    is_given: bool = False
    is_agreed: bool = False
    is_lasting: bool = True
    opens_window: bool = True
    refusal: str = ""
    told: str = ""
    on_sign_in: Callable[[Account], None] = lambda _account: None
    asked: list[Account] = field(default_factory=list)
    kept: list[SignedIn] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    is_waiting: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def plan(self, context: str, url: str, method: Method | None) -> Plan:
        if self.refusal == "no offer":
            raise AuthError(f"{url} publishes nothing about signing in; it may need none")
        account = Account(
            context=context,
            gateway=url,
            method=method or (Method.BROWSER if self.opens_window else Method.DEVICE_CODE),
            issuer=ISSUER,
            client_id="mcpdeck-terminal",
            scope="mcp.use",
        )
        return Plan(account, self.is_agreed, self.is_lasting, self.opens_window)

    def sign_in(self, account: Account, tell: Callable[[str], None]) -> SignedIn:
        self.asked.append(account)
        if self.told:
            tell(self.told)
        self.is_waiting.set()
        self.gate.wait(30)
        if self.refusal:
            raise AuthError(self.refusal)
        self.on_sign_in(account)
        return SignedIn("ada@example.com", account, {account.key: "secret"})

    def keep(self, signed_in: SignedIn) -> None:
        account = replace(signed_in.account, username=signed_in.user)
        self.kept.append(replace(signed_in, account=account))

    def sign_out(self, context: str, url: str) -> bool:
        was_in = bool(self.kept)
        self.kept.clear()
        return was_in

    def account(self, context: str, url: str) -> Account | None:
        return next((it.account for it in self.kept if it.account.context == context), None)

    def source(self, context: str, url: str) -> TokenSource | None:
        return None
