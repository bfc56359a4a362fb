"""`mcpdeck login`, `logout`, `whoami` and `token`. Thin: decode the words, ask mcpdeck.auth, say what came of it."""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from mcpdeck.auth.account import TOKEN_VARIABLE, Account, Accounts, Method, origin_of
from mcpdeck.auth.errors import AuthError, GatewayAway, NothingPublished, SignInNeeded
from mcpdeck.cli.exits import FORBIDDEN, OK, UNREACHABLE, USAGE, auth_failure
from mcpdeck.errors import plainly

if TYPE_CHECKING:
    import httpx

DEV: Final = "dev"  # what /whoami calls an authentication that believes whoever calls

NO_KEYRING: Final = (
    "no OS keyring here, and tokens are never put on disk in clear unasked: this sign-in would end with this command.\n"
    "Give mcpdeck login --token-file PATH (a file that only you can read), set MCPDECK_TOKEN, or use\n"
    "--method azure-cli, managed-identity or workload-identity."
)


class Aim(NamedTuple):
    """The gateway that is meant. ca_file: one more authority to trust as it. is_forwarded: by a way that is trusted."""

    context: str
    url: str
    ca_file: str = ""
    is_forwarded: bool = False


def add_parsers(commands: Any, *, target: Callable[[argparse.Namespace], Aim], accounts: Path) -> None:
    """commands: argparse's subparsers. target: the gateway that the words mean. accounts: the accounts file."""

    def add(name: str, run: Callable[..., int], line: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = commands.add_parser(name, help=line, description=line)
        parser.set_defaults(run=lambda words, _desk=None: _run(run, words, target=target, accounts=Accounts(accounts)))
        return parser

    login = add("login", _login, "Sign in to the gateway of this context.")
    login.add_argument("--method", type=Method, choices=list(Method), metavar="METHOD",
                       help=f"{', '.join(Method)}; unsaid: browser where one has a window")  # fmt: skip
    login.add_argument("--device-code", dest="method", action="store_const", const=Method.DEVICE_CODE,
                       help="sign in on another screen")  # fmt: skip
    login.add_argument("--issuer", default="", help="the issuer's URL, where the gateway trusts several")
    login.add_argument("--tenant", default="", help="the Entra ID tenant's id")
    login.add_argument("--authority", default="", help="another Entra ID sign-in host")
    login.add_argument("--client-id", default="", help="the client to sign in as, where the gateway names none")
    login.add_argument("--scope", default="", help="what to ask for, where the gateway does not say")
    login.add_argument("--ca-file", default="", help="a PEM file with an issuer's own certificate authority")
    login.add_argument("--token-file", default="", help="keep tokens in this file (mode 0600) and not in the keyring")
    login.add_argument("--yes", action="store_true", help="believe the gateway about its issuer")
    add("logout", _logout, "Remove everything that signing in left on this machine.")
    whoami = add("whoami", _whoami, "Who the gateway takes you for, and what that allows.")
    whoami.add_argument("-o", "--output", choices=("table", "json"), default="table", metavar="FORMAT")
    add("token", _token, "Print an access token for scripts.")


def _run(run: Callable[..., int], words: argparse.Namespace, *, target: Any, accounts: Accounts) -> int:
    aim = target(words)
    logging.getLogger("azure").setLevel(logging.CRITICAL)  # it logs what it raises, and we say it
    try:
        return run(words, aim, accounts=accounts)
    except AuthError as error:
        failure = auth_failure(error)
        _tell(failure.text())
        return failure.code


def _login(words: argparse.Namespace, aim: Aim, *, accounts: Accounts) -> int:
    from mcpdeck.auth.browsers import usual_method
    from mcpdeck.auth.discovery import discover, require_safe
    from mcpdeck.auth.login import Wish, account_of
    from mcpdeck.auth.session import sign_in_of
    from mcpdeck.auth.vault import open_vault

    origin = origin_of(aim.url)
    require_safe(origin)
    is_told = words.method is not None
    words.method = words.method or usual_method()
    names = ("method", "issuer", "tenant", "authority", "client_id", "scope", "ca_file", "token_file")
    wish = Wish(**{name: getattr(words, name) for name in names})
    try:
        offer = None
        if wish.needs_the_gateway:
            offer = discover(aim.url, ca_file=aim.ca_file, is_forwarded=aim.is_forwarded)
    except NothingPublished:
        if not _believes_everyone(aim):
            raise
        _tell(f"{origin} needs no sign-in: by dev authentication it believes whoever calls from its own machine")
        return OK
    account = account_of(aim.context, aim.url, wish, offer)
    if account.method.asks_a_person and not open_vault(account.token_file).is_lasting:
        _tell(NO_KEYRING)
        return USAGE
    is_believed = words.yes or not (offer and not (wish.issuer or wish.tenant))
    if not is_believed and not _confirmed(account):
        return USAGE
    if account.method is Method.DEVICE_CODE and not is_told:
        _tell("by device code, since no browser opens in a window of its own here (--method browser insists)")
    name = sign_in_of(account, tell=_tell).sign_in()
    accounts.put(msgspec.structs.replace(account, username=name))
    _tell(f"signed in to {account.gateway}" + (f" as {name}" if name else f" by {account.method}"))
    return OK


def sign_in(aim: Aim, accounts: Accounts) -> int:
    """As `mcpdeck login` does where nothing more is said, and the gateway is believed."""
    said = dict.fromkeys(("issuer", "tenant", "authority", "client_id", "scope", "ca_file", "token_file"), "")
    words = argparse.Namespace(method=None, yes=True, **said)
    return _run(_login, words, target=lambda _: aim, accounts=accounts)


def _logout(_words: argparse.Namespace, aim: Aim, *, accounts: Accounts) -> int:
    from mcpdeck.auth.session import sign_out

    account = accounts.find(aim.context, origin_of(aim.url))
    if account is None:
        _tell(f"nobody is signed in to {origin_of(aim.url)}")
        return OK
    sign_out(account, accounts)
    _tell(f"signed out of {account.gateway}; the browser may still be signed in at the issuer")
    return OK


def _token(_words: argparse.Namespace, aim: Aim, *, accounts: Accounts) -> int:
    from mcpdeck.auth.session import source_of

    source = source_of(aim.context, aim.url, os.environ, accounts)
    if source is None:
        raise SignInNeeded(f"nobody is signed in to {origin_of(aim.url)}; run: mcpdeck login")
    print(source.token().text)
    return OK


def _whoami(words: argparse.Namespace, aim: Aim, *, accounts: Accounts) -> int:
    from mcpdeck.auth.session import BearerAuth, source_of

    source = source_of(aim.context, aim.url, os.environ, accounts)
    answer = asyncio.run(_asked(aim, BearerAuth(source, aim.url) if source else None))
    if isinstance(answer, int):
        return answer
    if words.output == "json":
        print(json.dumps(answer))  # escapes whatever a terminal would obey
        return OK
    account = accounts.find(aim.context, origin_of(aim.url))
    for line in described(answer, _how(account, os.environ), aim.url):
        print(line)
    return OK


async def _asked(aim: Aim, auth: "httpx.Auth | None") -> Any:
    """What the gateway says to /whoami, or an exit status."""
    import httpx

    from mcpdeck.client import open_http

    origin = origin_of(aim.url)
    try:
        async with open_http(aim.url, auth=auth, ca_file=aim.ca_file) as client:
            answer = await client.get("/whoami")
    except httpx.HTTPError as error:
        raise GatewayAway(f"{origin} can not be reached: {plainly(error)}") from error
    if answer.status_code == 401:
        raise SignInNeeded(f"{origin} wants you signed in; run: mcpdeck login")
    if answer.status_code != 200:
        _tell(f"{origin}/whoami answered {answer.status_code}{_why(answer.content)}")
        return FORBIDDEN if answer.status_code == 403 else UNREACHABLE
    return answer.json()


def _why(body: bytes) -> str:
    """What a problem document says, for the end of a sentence; "" for anything else."""
    from mcpdeck.model.plain import one_line

    try:
        detail = msgspec.json.decode(body, type=dict[str, Any]).get("detail", "")
    except msgspec.DecodeError:
        return ""
    return f": {one_line(str(detail))}" if detail else ""


def _believes_everyone(aim: Aim) -> bool:
    """Whether a gateway that publishes nothing about signing in says itself that it needs none."""
    answer = asyncio.run(_asked(aim, None))
    return isinstance(answer, dict) and answer.get("authentication") == DEV


def _how(account: Account | None, environ: Mapping[str, str]) -> str:
    """How the token was got."""
    if environ.get(TOKEN_VARIABLE):
        return f"the token in {TOKEN_VARIABLE}"
    return f"{account.method} at {account.issuer or account.authority}" if account else "no sign-in of this context"


def described(who: Mapping[str, Any], how: str, url: str) -> list[str]:
    """Whom the gateway sees, and why a verb may be grey. how: the token was got."""
    roles, permissions = who.get("roles", []), who.get("permissions", [])
    is_admin, may_create = "admin" in permissions, "create" in permissions
    by = "dev authentication: whoever calls is believed" if who.get("authentication") == DEV else how
    create = "yes" if may_create else "no: needs mcp.admin, mcp.engineer, or a role the gateway was given for it"
    use = "everything" if is_admin else "what you made, and adapters whose requiredRoles name a role of yours"
    lines = [
        f"gateway   {origin_of(url)}",
        f"you       {who.get('name') or who.get('id')} ({who.get('id')})",
        f"by        {by}",
        f"roles     {', '.join(roles) or 'none'}",
        f"create    {create}",
        f"see, use  {use}",
        f"change    {'everything' if is_admin else 'what you made; all else needs mcp.admin'}",
    ]
    return ["".join(each if each.isprintable() else "�" for each in line) for line in lines]


def _confirmed(account: Account) -> bool:
    place = account.issuer or f"{account.authority}/{account.tenant}"
    _tell(f"{account.gateway} has you sign in at\n  {place}\nfor\n  {account.scope or 'no scope in particular'}")
    if not sys.stdin.isatty():
        _tell("not asked, since this is no terminal: give --yes, or --issuer or --tenant")
        return False
    sys.stderr.write("Go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
