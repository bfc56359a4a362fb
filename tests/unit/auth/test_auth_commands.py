"""`login`, `logout`, `whoami`, `token` and `dev-issuer` as processes: the real commands, a real issuer and keyring."""

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from mcpdeck.auth.account import Account, Accounts, Method
from mcpdeck.auth.discovery import Offer, SignIn
from mcpdeck.auth.errors import AuthError
from mcpdeck.auth.login import Wish, account_of
from mcpdeck.cli import dev_issuer, identity
from tests.support.command import process, surroundings

GATEWAY = "https://gateway.example"
TENANT = "11111111-2222-3333-4444-555555555555"
ENTRA = f"https://login.microsoftonline.com/{TENANT}/v2.0"
ROOT = Path(identity.__file__).parents[2]
DRIVER = """
import argparse, sys
from pathlib import Path
from mcpdeck.cli import dev_issuer, identity
parser = argparse.ArgumentParser()
commands = parser.add_subparsers(required=True)
identity.add_parsers(commands, target=lambda _: identity.Aim("test", "https://gateway.example"), accounts=Path(sys.argv[1]))
dev_issuer.add_parser(commands)
words = parser.parse_args(sys.argv[2:])
raise SystemExit(words.run(words))
"""


def offer(**changes: Any) -> Offer:
    said: dict[str, Any] = {
        "resource": GATEWAY,
        "authorization_servers": [f"https://login.microsoftonline.com/{TENANT}/v2.0"],
        "scopes_supported": ["api://gateway/mcp.use"],
        "sign_in": SignIn("a-terminal", ENTRA, "api://gateway/mcp.use"),
    }
    return Offer(**(said | changes))


def test_login_needs_no_words_where_the_gateway_says_everything() -> None:
    account = account_of("prod", GATEWAY, Wish(), offer())
    assert account == Account(
        context="prod", gateway=GATEWAY, tenant=TENANT, client_id="a-terminal", scope="api://gateway/mcp.use"
    )


def test_other_issuer_is_not_taken_for_entra() -> None:
    account = account_of("prod", GATEWAY, Wish(), offer(sign_in=SignIn("c", "https://idp.example/v2.0")))
    assert (account.issuer, account.tenant) == ("https://idp.example/v2.0", "")


def test_machine_asks_entra_for_what_it_was_granted() -> None:
    account = account_of("ci", GATEWAY, Wish(method=Method.WORKLOAD_IDENTITY), offer())
    assert (account.scope, account.client_id) == ("api://gateway/.default", "")


@pytest.mark.parametrize(
    "scope",
    [
        "https://management.azure.com/.default",
        "https://graph.microsoft.com/User.Read",
        "https://gateway.example.evil/x",
    ],
)
def test_gateway_cannot_have_one_sign_in_for_somebody_elses_api(scope: str) -> None:
    with pytest.raises(AuthError, match="not its own"):
        account_of("prod", GATEWAY, Wish(method=Method.AZURE_CLI), offer(sign_in=SignIn("c", ENTRA, scope)))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"sign_in": None, "authorization_servers": []}, "trusts 0 issuers"),
        ({"sign_in": None, "authorization_servers": ["https://a", "https://b"]}, "https://a, https://b; give --issuer"),
        ({"sign_in": None}, "give --client-id"),
    ],
)
def test_what_is_missing_is_said_with_what_to_give(said: Any, reason: str) -> None:
    with pytest.raises(AuthError, match=reason):
        account_of("prod", GATEWAY, Wish(), offer(**said))


def test_whoami_explains_why_a_verb_is_grey_and_shows_no_escape() -> None:
    who = {"id": "ada@idp", "name": "A\x1b[31mda", "roles": ["operators"], "permissions": [], "authentication": "oidc"}
    lines = "\n".join(identity.described(who, "browser at idp", GATEWAY))
    assert "create    no: needs mcp.admin, mcp.engineer" in lines
    assert "requiredRoles name a role of yours" in lines
    assert "\x1b" not in lines
    admin = "\n".join(identity.described(who | {"permissions": ["admin", "create"]}, "browser at idp", GATEWAY))
    assert "see, use  everything" in admin


def test_scopes_that_the_library_asks_for_by_itself_are_not_asked_for_twice() -> None:
    account = Account(context="prod", gateway=GATEWAY, scope="openid mcp.use offline_access profile")
    assert account.scopes == ["mcp.use"]


@pytest.mark.parametrize(
    ("body", "end"),
    [
        (b'{"detail": "the token lacks the scope x\\u001b[31m"}', ": the token lacks the scope x"),
        (b"<html>", ""),
        (b"[]", ""),
    ],
)
def test_refusal_of_whoami_is_told_with_its_reason(body: bytes, end: str) -> None:
    assert identity._why(body) == end


def run(path: Path, *words: str, environ: dict[str, str] | None = None) -> tuple[int, str, str]:
    """The command in a process without a keyring."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(path),
        "PYTHONPATH": str(ROOT),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    command = [sys.executable, "-c", DRIVER, str(path / "accounts.json"), *words]
    done = subprocess.run(command, env=env | (environ or {}), capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


ISSUER = ("--issuer", "https://idp.example", "--client-id", "c", "--scope", "mcp")


def test_without_a_keyring_login_says_once_what_to_do_and_asks_nobody(tmp_path: Path) -> None:
    code, _, said = run(tmp_path, "login", *ISSUER)
    assert code == 2
    for way in ("--token-file", "MCPDECK_TOKEN", "azure-cli"):
        assert way in said


def test_token_of_the_environment_is_what_scripts_get(tmp_path: Path) -> None:
    assert run(tmp_path, "token", environ={"MCPDECK_TOKEN": "given"}) == (0, "given\n", "")


def test_nobody_signed_in_is_exit_3_with_the_way_out(tmp_path: Path) -> None:
    code, out, said = run(tmp_path, "token")
    assert (code, out) == (3, "")
    assert "mcpdeck login" in said


def test_logout_without_a_sign_in_is_no_error(tmp_path: Path) -> None:
    assert run(tmp_path, "logout")[0] == 0


async def test_dev_issuer_login_token_and_logout_as_processes(tmp_path: Path) -> None:
    """Device code with a token file: what a person does on a machine without a keyring."""
    accounts = tmp_path / "accounts.json"
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    issuer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DRIVER, str(accounts), "dev-issuer", "--as", "ada", "--user", "ada:mcp.admin",
        stdout=asyncio.subprocess.PIPE, env=env,
    )  # fmt: skip
    try:
        assert issuer.stdout is not None
        async with asyncio.timeout(30):
            settings = dict([(await issuer.stdout.readline()).decode().strip().split("=", 1) for _ in range(4)])
        words = (
            "--issuer",
            settings["MCPDECK_OIDC_ISSUERS"],
            "--ca-file",
            settings["MCPDECK_OIDC_CA_FILE"],
            "--client-id",
            "c",
        )
        keep = ("--scope", "mcp", "--token-file", str(tmp_path / "token"))
        code, _, said = await asyncio.to_thread(run, tmp_path, "login", "--device-code", *words, *keep)
        assert code == 0, said
        assert "enter the code" in said
        assert "signed in to https://gateway.example as ada" in said
        code, token, said = await asyncio.to_thread(run, tmp_path, "token")
        assert code == 0, said
        assert token.count(".") == 2
        assert token.strip() in (tmp_path / "token").read_text()
        assert token.strip() not in accounts.read_text()
        assert (await asyncio.to_thread(run, tmp_path, "logout"))[0] == 0
        assert not (tmp_path / "token").exists()
        assert json.loads(accounts.read_text()) == []
    finally:
        issuer.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            assert await issuer.wait() == 0


async def test_unknown_user_is_refused_before_anything_runs(tmp_path: Path) -> None:
    ended = await process("dev-issuer", "--as", "nobody", environ=surroundings(tmp_path))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("mcpdeck: --as nobody: no such user; there are ")


async def test_port_that_is_taken_is_told_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in ("dev-issuer", "serve"):
            ended = await process(command, "--port", port, environ=surroundings(tmp_path))
            told = f"mcpdeck: 127.0.0.1:{port} can not be listened at: Address already in use\n  --port 0 finds a free port\n"
            assert (ended.code, ended.out, ended.err) == (2, "", told), command


def test_commands_need_no_heavy_library_to_be_known(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import argparse, sys
        from pathlib import Path
        from mcpdeck.cli import dev_issuer, identity
        commands = argparse.ArgumentParser().add_subparsers()
        identity.add_parsers(commands, target=lambda _: identity.Aim("", ""), accounts=Path("x"))
        dev_issuer.add_parser(commands)
        heavy = {"azure.identity", "msal", "keyring", "httpx", "quart", "hypercorn", "jwt", "cryptography", "textual"}
        print(sorted(heavy & set(sys.modules)))
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(not shutil.which("gnome-keyring-daemon"), reason="needs gnome-keyring (.ci/run installs it)")
def test_signed_in_token_is_in_the_real_keyring_and_logout_takes_it_out(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import asyncio, contextlib, io, sys
            from pathlib import Path
            import keyring
            from mcpdeck.auth.account import Account, Accounts, Method
            from mcpdeck.auth.session import sign_in_of, sign_out, source_of
            from mcpdeck.devissuer.serve import temporary_issuer

            async def main():
                async with temporary_issuer(auto="ada") as (issuer, files):
                    accounts = Accounts(Path(sys.argv[1]))
                    account = Account(context="t", gateway="https://g", method=Method.DEVICE_CODE, client_id="c",
                                      issuer=issuer.minter.issuer, scope="mcp", ca_file=str(files.authority))
                    await asyncio.to_thread(sign_in_of(account, tell=print).sign_in)
                    accounts.put(account)
                    token = await asyncio.to_thread(source_of("t", "https://g", {}, accounts).token)
                    assert token.text.count(".") == 2
                    assert keyring.get_password("mcpdeck", account.key)
                    sign_out(account, accounts)
                    assert keyring.get_password("mcpdeck", account.key) is None
                    assert source_of("t", "https://g", {}, accounts) is None
            asyncio.run(main())
            """
        )
    )
    (tmp_path / "run").mkdir(mode=0o700)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "PYTHONPATH": str(ROOT),
    }
    shell = 'printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec "$0" "$1" "$2"'
    command = [
        "dbus-run-session",
        "--",
        "sh",
        "-c",
        shell,
        sys.executable,
        str(script),
        str(tmp_path / "accounts.json"),
    ]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_confirmation_is_not_assumed_without_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mcpdeck.auth.discovery.discover", lambda *_args, **_options: offer())
    parser = argparse.ArgumentParser()
    identity.add_parsers(
        parser.add_subparsers(), target=lambda _: identity.Aim("t", GATEWAY), accounts=tmp_path / "accounts.json"
    )
    dev_issuer.add_parser(argparse.ArgumentParser().add_subparsers())
    words = parser.parse_args(["login", "--token-file", str(tmp_path / "token")])
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert words.run(words) == 2
    assert Accounts(tmp_path / "accounts.json").find("t", GATEWAY) is None
