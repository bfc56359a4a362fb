"""Policies as objects: stored and read back whole, refused where the gateway refuses, seen by a gateway at once."""

import asyncio
from typing import Any

import msgspec
import pytest

from gateway.cluster.api import Api
from gateway.cluster.definitions import API_VERSION
from gateway.cluster.desires import open_desires
from gateway.cluster.objects import POLICY
from gateway.core.errors import Conflict, Invalid
from gateway.core.tools import DesiredPolicy
from gateway.stores.kubernetes import stores
from gateway.wire.names import AdapterName
from gateway.wire.policies import MAX_EXPRESSION, MAX_NAME, MAX_RULES, PolicySpec, problems_of_policy
from tests.support.cluster_gateway import PATIENCE
from tests.support.desired import THEN
from tests.support.testcluster import kubectl

DENY: dict[str, Any] = {"name": "no-prod", "when": "args.env == 'prod'", "effect": "deny", "reason": "ask first"}
LIMIT: dict[str, Any] = {"name": "calm", "perMinute": 10, "concurrent": 2}

RIGHT: tuple[dict[str, Any], ...] = (
    {},
    {"description": "d", "mode": "shadow", "toolset": "sky", "default": "deny"},
    {"rules": [DENY, {"name": "held", "effect": "approve"}], "approval": {"roles": ["mcp.lead"], "expires": 0.5}},
    {"limits": [LIMIT, {"name": "one", "concurrent": 1}], "approval": {"expires": 3600}},
    {"rules": [DENY | {"name": f"rule {number}"} for number in range(MAX_RULES)]},
    {"rules": [DENY | {"name": "x" * MAX_NAME, "when": "t" * MAX_EXPRESSION}]},
)
WRONG: tuple[dict[str, Any], ...] = (
    {"unknown": 1},
    {"default": "approve"},
    {"default": "maybe"},
    {"mode": "dry"},
    {"toolset": "Sky"},
    {"description": "x" * 10_000},
    {"approval": {"expires": 0}},
    {"approval": {"expires": 3601}},
    {"rules": [{"name": "no effect"}]},
    {"rules": [DENY | {"name": ""}]},
    {"rules": [DENY | {"name": " \u00a0"}]},
    {"rules": [DENY | {"name": "x" * (MAX_NAME + 1)}]},
    {"rules": [DENY | {"when": "t" * (MAX_EXPRESSION + 1)}]},
    {"rules": [DENY | {"then": "x"}]},
    {"rules": [DENY, DENY]},
    {"rules": [DENY | {"name": f"{number}"} for number in range(MAX_RULES + 1)]},
    {"limits": [LIMIT, LIMIT | {"perMinute": 3}]},
    {"limits": [{"name": "bounds nothing"}]},
    {"limits": [LIMIT | {"perMinute": -1}]},
    {"limits": [{"name": "zero", "perMinute": 0, "concurrent": 0}]},
)


def spec_of(fields: dict[str, Any]) -> PolicySpec:
    return msgspec.convert({"name": "careful", **fields}, PolicySpec)


def gateway_refuses(fields: dict[str, Any]) -> bool:
    try:
        return bool(problems_of_policy(spec_of(fields)))
    except msgspec.ValidationError:
        return True


@pytest.mark.parametrize("fields", [*RIGHT, *WRONG], ids=str)
async def test_the_cluster_and_the_gateway_refuse_the_same_policies(api: Api, fields: dict[str, Any]) -> None:
    body = {"apiVersion": API_VERSION, "kind": "Policy", "metadata": {"name": "careful"}, "spec": fields}
    try:
        await api.create(POLICY, body, dry_run=True)
    except Invalid:
        refused = True
    else:
        refused = False
    assert refused == gateway_refuses(fields) == (fields in WRONG)


async def test_policies_are_read_back_whole_and_kubectl_is_another_door_to_them(api: Api) -> None:
    async with open_desires(api) as desires, open_desires(api) as others:
        kept = stores(api, desires).policies
        elsewhere = stores(api, others).policies
        for fields in RIGHT:
            wanted = DesiredPolicy(spec=spec_of(fields), created_by="ada", created_at=THEN, last_updated_at=THEN)
            stored = await kept.put(wanted, expect=None)
            assert stored == msgspec.structs.replace(wanted, revision=stored.revision)
            with pytest.raises(Conflict, match="exists already"):
                await kept.put(wanted, expect=None)
            async with asyncio.timeout(PATIENCE):
                while await elsewhere.get(AdapterName("careful")) != stored:
                    await elsewhere.changed()
            await kept.delete(AdapterName("careful"), expect=stored.revision)
        document = f"apiVersion: {API_VERSION}\nkind: Policy\nmetadata: {{name: calm}}\nspec: {{default: deny}}\n"
        await asyncio.to_thread(kubectl, "apply", "-n", api.namespace, "-f", "-", stdin=document)
        async with asyncio.timeout(PATIENCE):
            while (found := await kept.get(AdapterName("calm"))) is None:
                await kept.changed()
        assert found.spec == PolicySpec(name="calm", default=spec_of({"default": "deny"}).default)
        assert "deny" in await asyncio.to_thread(kubectl, "get", "policies.mcpdeck.dev", "-n", api.namespace)
