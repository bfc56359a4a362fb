"""`mcpdeck dev-issuer`: the local issuer until Ctrl-C, with the words that make a gateway and a terminal use it."""

import argparse
import asyncio
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from mcpdeck.cli.exits import USAGE, Failure
from mcpdeck.cli.streams import unwritten
from mcpdeck.cli.words import port
from mcpdeck.errors import plainly

GATEWAY: Final = "http://127.0.0.1:8700"  # where a gateway listens if nobody says otherwise
CLIENT: Final = "mcpdeck-terminal"  # any name does: the issuer serves every public client on this machine


def add_parser(commands: Any) -> None:
    """commands: argparse's subparsers."""
    line = "Run a small OpenID Connect issuer on this machine, to try sign-in without a cloud. Never for anything real."
    parser = commands.add_parser("dev-issuer", help=line, description=line)
    parser.add_argument("--port", type=port, default=0, help="0 finds a free one")
    parser.add_argument("--user", action="append", default=[], metavar="NAME[:ROLE,…]", help="who may sign in; repeat")
    parser.add_argument("--as", dest="auto", metavar="NAME", help="sign this user in without asking")
    parser.add_argument("--client-secret", action="append", default=[], metavar="CLIENT=SECRET",
                        help="a client that may use client credentials; repeat")  # fmt: skip
    parser.set_defaults(run=_run)


def _run(words: argparse.Namespace, _desk: object = None) -> int:
    try:
        return asyncio.run(_serve(words))
    except ValueError as error:
        raise Failure(USAGE, str(error)) from error
    except OSError as error:
        if unwritten() is not None:
            raise
        told = f"127.0.0.1:{words.port} can not be listened at: {plainly(error)}"
        raise Failure(USAGE, told, hint="--port 0 finds a free port") from error


async def _serve(words: argparse.Namespace) -> int:
    from mcpdeck.devissuer.serve import AUDIENCE, USERS, running_issuer

    users = tuple(_user(text) for text in words.user) or USERS
    if words.auto is not None and words.auto not in {user.name for user in users}:
        raise ValueError(f"--as {words.auto}: no such user; there are {', '.join(user.name for user in users)}")
    secrets = dict(_secret(text) for text in words.client_secret)
    from mcpdeck.family import endings

    stopped = asyncio.Event()
    for number in endings():
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    with tempfile.TemporaryDirectory(prefix="mcpdeck-issuer-") as folder:
        running = running_issuer(Path(folder), port=words.port, users=users, secrets_of=secrets, auto=words.auto)
        async with running as (issuer, files):
            settings = {
                "MCPDECK_OIDC_ISSUERS": issuer.minter.issuer,
                "MCPDECK_OIDC_AUDIENCES": AUDIENCE,
                "MCPDECK_OIDC_CLIENT_ID": CLIENT,
                "MCPDECK_OIDC_CA_FILE": str(files.authority),
                "MCPDECK_PUBLIC_URL": GATEWAY,
            }
            print("\n".join(f"{name}={shlex.quote(value)}" for name, value in settings.items()), flush=True)
            print(f"then: mcpdeck login --ca-file {shlex.quote(str(files.authority))}", file=sys.stderr, flush=True)
            await stopped.wait()
    return 0


def _user(text: str) -> Any:
    from mcpdeck.devissuer.tokens import User

    name, _, roles = text.partition(":")
    if not name:
        raise ValueError(f"--user {text!r}: wanted NAME or NAME:ROLE,ROLE")
    return User(name, tuple(role for role in roles.split(",") if role))


def _secret(text: str) -> tuple[str, str]:
    client, equals, secret = text.partition("=")
    if not (client and equals and secret):
        raise ValueError("--client-secret: wanted CLIENT=SECRET")
    return client, secret
