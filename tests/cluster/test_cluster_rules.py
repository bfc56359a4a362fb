"""The API server and the gateway refuse the same adapters."""

import asyncio
from typing import Any

import msgspec
import pytest

from gateway.cluster.api import Api
from gateway.cluster.definitions import API_VERSION
from gateway.cluster.objects import ADAPTER
from gateway.core.errors import GatewayError, Invalid
from gateway.wire.resources import AdapterSpec, problems_of
from tests.support.adapter_corpus import RIGHT, WRONG, arbitrary

AT_ONCE = 8


def gateway_refuses(fields: dict[str, Any]) -> bool:
    try:
        return bool(problems_of(msgspec.convert({"name": "weather", **fields}, AdapterSpec)))
    except msgspec.ValidationError:
        return True


async def cluster_refuses(api: Api, fields: dict[str, Any]) -> str:
    """Its reason; "" where it takes the adapter."""
    spec = {key: value for key, value in fields.items() if key != "name"}
    body = {
        "apiVersion": API_VERSION,
        "kind": "Adapter",
        "metadata": {"name": fields.get("name", "weather")},
        "spec": spec,
    }
    try:
        await api.create(ADAPTER, body, dry_run=True)
    except Invalid as error:
        return str(error)
    return ""


async def test_both_refuse_the_same_adapters(api: Api) -> None:
    corpus = [*RIGHT, *WRONG, *arbitrary(600)]
    slots = asyncio.Semaphore(AT_ONCE)
    differ: list[tuple[dict[str, Any], bool, str]] = []

    async def compare(fields: dict[str, Any]) -> None:
        async with slots:
            told = await cluster_refuses(api, fields)
        if bool(told) != (ours := gateway_refuses(fields)):
            differ.append((fields, ours, told))

    async with asyncio.TaskGroup() as tasks:
        for fields in corpus:
            tasks.create_task(compare(fields))
    assert not differ


async def test_a_refusal_names_the_field_and_says_what_is_wrong(api: Api) -> None:
    with pytest.raises(GatewayError) as refused:
        await api.create(ADAPTER, _body({"url": "https://a", "stdio": {"command": "x"}, "port": 0}))
    assert isinstance(refused.value, Invalid)
    assert "exactly one of" in str(refused.value.errors)
    assert "port" in refused.value.errors


def _body(spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "Adapter", "metadata": {"name": "weather"}, "spec": spec}
