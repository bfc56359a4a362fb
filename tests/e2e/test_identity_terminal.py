"""Signing in from a terminal to a running gateway, with the real commands: in, used, renewed unseen, and out again."""

import stat
from pathlib import Path

import pytest

from tests.support.command import Ended, process, surroundings
from tests.support.gateways import gateway
from tests.support.identified import ADA, GRACE, LINUS, Identified, identified


class Shell:
    """A person's own machine, without a keyring. token: of the environment."""

    def __init__(self, folder: Path, **variables: str) -> None:
        folder.mkdir(exist_ok=True)
        self.tokens = folder / "token"
        backend = "keyring.backends.fail.Keyring"
        self._environ = surroundings(folder, PYTHON_KEYRING_BACKEND=backend, **variables)

    async def __call__(self, *words: str) -> Ended:
        return await process(*words, environ=self._environ)

    async def login(self, house: Identified, *words: str) -> Ended:
        kept = ("--token-file", str(self.tokens), "--ca-file", str(house.files.authority))
        return await self("login", "--device-code", "--yes", *kept, *words)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "me")


async def test_from_a_url_to_a_call_and_out_again(shell: Shell, tmp_path: Path) -> None:
    async with identified(tmp_path / "data") as house:
        await house.deploy()
        assert (await shell("contexts", "add", "prod", house.url, "--use")).code == 0
        before = await shell("adapters", "list")
        assert (before.code, "mcpdeck login" in before.err) == (3, True)
        said = await shell.login(house)
        assert said.code == 0, said.err
        assert "enter the code" in said.err
        assert f"signed in to {house.url} as ada" in said.err
        assert stat.S_IMODE(shell.tokens.stat().st_mode) == 0o600
        who = await shell("whoami")
        assert f"({house.principal(ADA)})" in who.out
        assert "roles     mcp.admin" in who.out
        assert f"by        device-code at {house.issuer.minter.issuer}" in who.out
        assert "create    yes" in who.out
        assert (await shell("adapters", "list", "-o", "name")).out == "weather\n"
        called = await shell("call", "weather", "get_forecast", "-a", "city=Oslo", "-a", "days=1")
        assert (called.code, "°C" in called.out) == (0, True), called.err
        token = (await shell("token")).out.strip()
        listed = await shell("contexts", "list")
        assert "ada" in listed.out
        audited = (await shell("audit", "list", "--text", "get_forecast", "-o", "json")).json
        assert [each["name"] for each in audited["items"]] == ["get_forecast"]
        assert token not in str(audited)
        verified = await shell("audit", "verify", str(house.audit))
        assert verified.out.startswith("intact: ")
        out = await shell("logout")
        assert f"signed out of {house.url}" in out.err
        assert not shell.tokens.exists()
        assert (await shell("adapters", "list")).code == 3


async def test_refused_token_is_renewed_without_a_word(shell: Shell, tmp_path: Path) -> None:
    async with identified(tmp_path / "data") as house:
        await shell("contexts", "add", "prod", house.url, "--use")
        assert (await shell.login(house)).code == 0
        before = (await shell("token")).out
        for _ in range(2):  # the key before the last is still published
            house.issuer.minter.signer.rotate()
        for words in (("adapters", "list"), ("whoami",), ("audit", "list")):
            ended = await shell(*words)
            assert ended.code == 0, ended.err
        assert (await shell("token")).out != before


async def test_lapsed_sign_in_asks_to_sign_in_again_and_does_not_open_anything(shell: Shell, tmp_path: Path) -> None:
    async with identified(tmp_path / "data") as house:
        await shell("contexts", "add", "prod", house.url, "--use")
        assert (await shell.login(house)).code == 0
        house.issuer.grants.revoke_refresh_tokens()
        for _ in range(2):
            house.issuer.minter.signer.rotate()
        ended = await shell("adapters", "list")
    assert ended.code == 3
    assert "mcpdeck login" in ended.err


async def test_gateway_that_needs_no_sign_in_says_so(shell: Shell, tmp_path: Path) -> None:
    async with gateway(tmp_path / "data") as dev:
        said = await shell("--gateway", dev.url, "login")
        who = await shell("--gateway", dev.url, "whoami")
    assert said.code == 0
    assert said.err == (
        f"{dev.url} needs no sign-in: by dev authentication it believes whoever calls from its own machine\n"
    )
    assert "by        dev authentication: whoever calls is believed" in who.out


async def test_contexts_keep_gateways_and_accounts_apart(shell: Shell, tmp_path: Path) -> None:
    async with (
        identified(tmp_path / "one", auto="ada") as one,
        identified(tmp_path / "two", auto="grace") as two,
    ):
        await shell("contexts", "add", "one", one.url, "--use")
        await shell("contexts", "add", "two", two.url)
        await shell("contexts", "add", "alias", one.url)
        shell.tokens = tmp_path / "token-one"
        assert (await shell.login(one)).code == 0
        assert (await shell("--context", "two", "adapters", "list")).code == 3
        shell.tokens = tmp_path / "token-two"
        assert (await shell.login(two, "--context", "two")).code == 0
        tokens = [(await shell("--context", name, "token")).out for name in ("one", "two")]
        assert len(set(tokens)) == 2
        assert one.principal(ADA) in (await shell("whoami")).out
        assert two.principal(GRACE) in (await shell("--context", "two", "whoami")).out
        assert (await shell("--context", "alias", "adapters", "list")).code == 3
        await shell(
            "contexts", "add", "one", two.url
        )  # the same name, another gateway: no token of the old one goes there
        moved = await shell("--context", "one", "adapters", "list")
        assert moved.code == 3
        assert (await shell("--context", "two", "logout")).code == 0
        assert (tmp_path / "token-one").exists()
        assert not (tmp_path / "token-two").exists()


async def test_pipeline_uses_the_token_that_it_was_given(tmp_path: Path) -> None:
    async with identified(tmp_path / "data") as house:
        await house.deploy()
        pipeline = Shell(tmp_path / "ci", MCPDECK_TOKEN=house.token(None), MCPDECK_URL=house.url)
        who = await pipeline("whoami")
        assert "by        the token in MCPDECK_TOKEN" in who.out
        made = await pipeline("adapters", "create", "mine", "--replicas", "0", "--stdio", "--", "true")
        assert made.code == 0, made.err
        assert (await pipeline("adapters", "list", "-o", "name")).out == "mine\n"
        stranger = Shell(tmp_path / "other", MCPDECK_TOKEN=house.token(LINUS), MCPDECK_URL=house.url)
        refused = await stranger("adapters", "create", "theirs", "--stdio", "--", "true")
        assert refused.code == 7
        assert "takes one of the roles mcp.admin, mcp.engineer" in refused.err
        explained = await stranger("whoami")
        assert "create    no: needs mcp.admin, mcp.engineer" in explained.out
        expired = Shell(tmp_path / "late", MCPDECK_TOKEN=house.token(ADA, exp=1), MCPDECK_URL=house.url)
        late = await expired("adapters", "list")
        assert (late.code, "refuses MCPDECK_TOKEN" in late.err) == (3, True)


async def test_entra_id_is_signed_in_to_by_azure_identity(shell: Shell, tmp_path: Path) -> None:
    async with identified(tmp_path / "data", entra=True) as house:
        await shell("contexts", "add", "prod", house.url, "--use")
        tenant = ("--tenant", house.issuer.minter.tenant, "--authority", house.issuer.base)
        said = await shell.login(house, *tenant)
        assert said.code == 0, said.err
        who = await shell("whoami")
        assert f"(ada-oid@{house.issuer.minter.tenant})" in who.out, who.err
        for _ in range(2):
            house.issuer.minter.signer.rotate()
        assert (await shell("adapters", "list")).code == 0


async def test_gateway_that_is_not_there_or_publishes_nothing_is_told_apart(shell: Shell, tmp_path: Path) -> None:
    nowhere = await shell("--gateway", "http://127.0.0.1:9", "login")
    assert (nowhere.code, "can not be reached" in nowhere.err) == (4, True)
    remote = await shell("--gateway", "http://gateway.example", "login")
    assert (remote.code, "is not https" in remote.err) == (2, True)
