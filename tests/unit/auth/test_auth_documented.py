"""What the documentation has an administrator do, done: its script, its settings, its snippet, and the tests it names."""

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.auth.assertion import Assertions
from gateway.auth.configured import identity
from gateway.core.access import Principal
from gateway.services.decoding import decode
from gateway.stores.keys import load_keys
from gateway.wire.names import AdapterName, PrincipalId
from gateway.wire.resources import AdapterSpec, GrantKind, problems_of
from tests.support.identified import ADA, identified

ROOT = Path(__file__).parents[3]
ENTRA, IDENTITY = (ROOT / "docs/entra.md").read_text(), (ROOT / "docs/identity.md").read_text()
PUBLIC_URL = "https://mcp.example.com"

AZ = """
    import json, pathlib, sys, uuid
    words, file = sys.argv[1:], pathlib.Path(__file__).with_name("az.json")
    state = json.loads(file.read_text()) if file.exists() else {"apps": [], "sps": [], "calls": [], "patches": []}
    state["calls"].append(words)
    def option(name, default=""):
        return words[words.index(name) + 1] if name in words else default
    def by_id(which):
        return next(app for app in state["apps"] if which in (app["appId"], app["id"]))
    said, code = "", 0
    match words[:3]:
        case ["account", "show", _]:
            said = "11111111-2222-3333-4444-555555555555"
        case ["ad", "app", "list"]:
            wanted = option("--filter").removeprefix("displayName eq '").removesuffix("'")
            said = next((app["appId"] for app in state["apps"] if app["name"] == wanted), "")
        case ["ad", "app", "create"]:
            app = {"name": option("--display-name"), "appId": str(uuid.uuid4()), "id": str(uuid.uuid4()), "scopes": []}
            app["web"], app["public"] = option("--web-redirect-uris"), option("--public-client-redirect-uris")
            state["apps"].append(app)
            said = app["appId"]
        case ["ad", "app", "show"]:
            app = by_id(option("--id"))
            is_scope = "oauth2PermissionScopes" in option("--query")
            said = " ".join(each["id"] for each in app["scopes"]) if is_scope else app["id"]
        case ["ad", "sp", "show"]:
            code = 0 if option("--id") in state["sps"] else 3
        case ["ad", "sp", "create"]:
            state["sps"].append(option("--id"))
        case ["rest", "--method", "PATCH"]:
            body = json.loads(option("--body"))
            by_id(option("--url").rpartition("/")[2])["scopes"] = body["api"]["oauth2PermissionScopes"]
            state["patches"].append(body)
        case ["ad", "app", "permission"]:
            pass
        case ["ad", "app", "credential"]:
            said = "s3cret"
        case other:
            sys.exit(f"az knows no {other}")
    file.write_text(json.dumps(state))
    if said:
        print(said)
    sys.exit(code)
"""


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


class Administrator:
    """Someone with the script and a stand-in for the Azure CLI that keeps what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (script,) = (each for each in fenced(ENTRA, "sh") if "az ad app" in each)
        (folder / "entra.sh").write_text(script)
        az = folder / "az"
        az.write_text(f"#!{sys.executable}\n{textwrap.dedent(AZ)}")
        az.chmod(0o755)

    def runs(self, **variables: str) -> dict[str, str]:
        env = {"PATH": f"{self.folder}:{os.environ['PATH']}", **variables}
        done = subprocess.run(
            ["sh", "entra.sh"], cwd=self.folder, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "Now assign people to roles" in done.stderr
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    @property
    def made(self) -> Any:
        return json.loads((self.folder / "az.json").read_text())


def test_entra_script_registers_what_the_gateway_then_trusts(tmp_path: Path) -> None:
    administrator = Administrator(tmp_path)
    printed = administrator.runs()
    found = identity(printed | {"MCPDECK_PUBLIC_URL": PUBLIC_URL})
    assert found is not None
    api = printed["MCPDECK_ENTRA_CLIENT_ID"]
    assert found.issuers[0].scope == f"api://{api}/mcp.use"
    made = administrator.made
    (body,) = made["patches"]
    assert body["identifierUris"] == [f"api://{api}"]
    assert body["api"]["requestedAccessTokenVersion"] == 2
    assert [(each["value"], each["allowedMemberTypes"]) for each in body["appRoles"]] == [
        ("mcp.admin", ["User", "Application"]),
        ("mcp.engineer", ["User", "Application"]),
    ]
    assert [app["name"] for app in made["apps"]] == ["mcpdeck gateway", "mcpdeck terminal"]
    assert made["apps"][1]["public"] == "http://localhost"
    grants = [call for call in made["calls"] if call[:4] == ["ad", "app", "permission", "grant"]]
    assert [call[call.index("--id") + 1] for call in grants] == [printed["MCPDECK_OIDC_CLIENT_ID"]]


def test_entra_script_makes_the_front_as_well_and_nothing_twice(tmp_path: Path) -> None:
    administrator = Administrator(tmp_path)
    first = administrator.runs(MCPDECK_PUBLIC_URL=PUBLIC_URL)
    assert administrator.runs(MCPDECK_PUBLIC_URL=PUBLIC_URL) == first
    made = administrator.made
    assert len(made["apps"]) == len(made["sps"]) == 3
    assert len(made["patches"]) == 1
    assert sum(call[:4] == ["ad", "app", "credential", "reset"] for call in made["calls"]) == 1
    assert made["apps"][2]["web"] == f"{PUBLIC_URL}/oauth/callback"
    secret = tmp_path / "front-secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    found = identity(first)
    assert found is not None
    assert found.upstream is not None
    assert (found.upstream.client_id, found.upstream.client_secret) == (first["MCPDECK_FRONT_CLIENT_ID"], "s3cret")


@pytest.mark.parametrize("text", [*fenced(IDENTITY, "yaml"), *fenced(ENTRA, "yaml")])
def test_documented_specification_is_one(text: str) -> None:
    whole: dict[str, Any] = {"name": "crm", "url": "https://crm.example/mcp"} | yaml.safe_load(text)
    spec: AdapterSpec = decode(json.dumps(whole).encode(), AdapterSpec)
    assert problems_of(spec) == {}
    assert spec.authorization is not None
    assert spec.authorization.kind in GrantKind


async def test_documented_snippet_verifies_what_an_adapter_is_told(tmp_path: Path) -> None:
    (snippet,) = fenced(IDENTITY, "python")
    async with identified(tmp_path / "data") as house:
        code = snippet.replace("https://gateway.example", house.url)
        assert "https://" not in code
        keys = load_keys(tmp_path / "data" / "seal.keys")
        caller = Principal(PrincipalId(house.principal(ADA)), roles=frozenset({"operators"}))
        given = Assertions(keys, house.url).assertion(caller, AdapterName("weather")).decode()
        names: dict[str, Any] = {"assertion": given}
        await asyncio.to_thread(exec, code, names)
    assert names["claims"]["sub"] == house.principal(ADA)


def test_every_test_that_stands_against_an_attack_is_there() -> None:
    table = IDENTITY[IDENTITY.index("## Attacks") :]
    named = set(re.findall(r"`(test_\w+)`", table))
    folders = [ROOT / "tests" / each for each in ("unit", "contract", "e2e")]
    written = {
        name
        for folder in folders
        for file in folder.rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    assert len(named) > 20
    assert named - written == set()
