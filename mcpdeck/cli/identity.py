"""`mcpdeck login`, `logout`, `whoami` and `token`. Thin: decode the words, ask mcpdeck.auth, say what came of it."""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from mcpdeck.auth.account import Account, Accounts, Method, origin_of
from mcpdeck.auth.errors import AuthError, SignInNeeded

OK: Final = 0
USAGE: Final = 2
SIGN_IN: Final = 3
UNREACHABLE: Final = 4

NO_KEYRING: Final = (
    "no OS keyring here, and tokens are never put on disk in clear unasked: this sign-in would end with this command.\n"
    "Give --token-file PATH (a file that only you can read), set MCPDECK_TOKEN, or use --method azure-cli,\n"
    "managed-identity or workload-identity."
)


def add_parsers(commands: Any, *, target: Callable[[argparse.Namespace], tuple[str, str]], accounts: Path) -> None:
    """commands: argparse's subparsers. target: the words' context and gateway URL. accounts: the accounts file."""

    def add(name: str, run: Callable[..., int], line: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = commands.add_parser(name, help=line, description=line)
        parser.set_defaults(run=lambda words, _desk=None: _run(run, words, target=target, accounts=Accounts(accounts)))
        return parser

    login = add("login", _login, "Sign in to the gateway of this context.")
    login.add_argument("--method", type=Method, choices=list(Method), default=Method.BROWSER, metavar="METHOD",
                       help=", ".join(Method))  # fmt: skip
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
    context, url = target(words)
    logging.getLogger("azure").setLevel(logging.CRITICAL)  # it logs what it raises, and we say it
    try:
        return run(words, context, url, accounts=accounts)
    except SignInNeeded as error:
        _tell(str(error))
        return SIGN_IN
    except AuthError as error:
        _tell(str(error))
        return USAGE


def _login(words: argparse.Namespace, context: str, url: str, *, accounts: Accounts) -> int:
    from mcpdeck.auth.discovery import discover, require_safe
    from mcpdeck.auth.login import Wish, account_of
    from mcpdeck.auth.session import sign_in_of
    from mcpdeck.auth.vault import open_vault

    require_safe(origin_of(url))
    names = ("method", "issuer", "tenant", "authority", "client_id", "scope", "ca_file", "token_file")
    wish = Wish(**{name: getattr(words, name) for name in names})
    offer = discover(url) if wish.needs_the_gateway else None
    account = account_of(context, url, wish, offer)
    if account.method.asks_a_person and not open_vault(account.token_file).is_lasting:
        _tell(NO_KEYRING)
        return USAGE
    is_believed = words.yes or not (offer and not (wish.issuer or wish.tenant))
    if not is_believed and not _confirmed(account):
        return USAGE
    name = sign_in_of(account, tell=_tell).sign_in()
    accounts.put(account)
    _tell(f"signed in to {account.gateway}" + (f" as {name}" if name else f" by {account.method}"))
    return OK


def _logout(_words: argparse.Namespace, context: str, url: str, *, accounts: Accounts) -> int:
    from mcpdeck.auth.session import sign_out

    account = accounts.find(context, origin_of(url))
    if account is None:
        _tell(f"nobody is signed in to {origin_of(url)}")
        return OK
    sign_out(account, accounts)
    _tell(f"signed out of {account.gateway}; the browser may still be signed in at the issuer")
    return OK


def _token(_words: argparse.Namespace, context: str, url: str, *, accounts: Accounts) -> int:
    from mcpdeck.auth.session import source_of

    source = source_of(context, url, os.environ, accounts)
    if source is None:
        raise SignInNeeded(f"nobody is signed in to {origin_of(url)}; run: mcpdeck login")
    print(source.token().text)
    return OK


def _whoami(words: argparse.Namespace, context: str, url: str, *, accounts: Accounts) -> int:
    answer = asyncio.run(_asked(context, url, accounts, os.environ))
    if isinstance(answer, int):
        return answer
    if words.output == "json":
        print(json.dumps(answer))  # escapes whatever a terminal would obey
        return OK
    account = accounts.find(context, origin_of(url))
    for line in described(answer, account, url):
        print(line)
    return OK


async def _asked(context: str, url: str, accounts: Accounts, environ: Mapping[str, str]) -> Any:
    import httpx

    from mcpdeck.auth.session import BearerAuth, source_of

    source = source_of(context, url, environ, accounts)
    auth = BearerAuth(source, url) if source else None
    try:
        async with httpx.AsyncClient(auth=auth, timeout=10) as client:
            answer = await client.get(f"{url.rstrip('/')}/whoami")
    except httpx.HTTPError as error:
        _tell(f"{origin_of(url)} can't be reached: {error}")
        return UNREACHABLE
    if answer.status_code == 401:
        raise SignInNeeded(f"{origin_of(url)} wants you signed in; run: mcpdeck login")
    if answer.status_code != 200:
        _tell(f"{origin_of(url)}/whoami answered {answer.status_code}")
        return UNREACHABLE
    return answer.json()


def described(who: Mapping[str, Any], account: Account | None, url: str) -> list[str]:
    """Whom the gateway sees, and why a verb may be grey."""
    roles, permissions = who.get("roles", []), who.get("permissions", [])
    is_admin, may_create = "admin" in permissions, "create" in permissions
    how = f"{account.method} at {account.issuer or account.authority}" if account else "no sign-in of this context"
    create = "yes" if may_create else "no: needs mcp.admin, mcp.engineer, or a role the gateway was given for it"
    use = "everything" if is_admin else "what you made, and adapters whose requiredRoles name a role of yours"
    lines = [
        f"gateway   {origin_of(url)}",
        f"you       {who.get('name') or who.get('id')} ({who.get('id')})",
        f"by        {who.get('authentication', '')}, {how}",
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
