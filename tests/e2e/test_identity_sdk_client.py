"""The `mcp` SDK's own OAuth client: it knows nothing but a URL of the running gateway, signs in, and calls a tool."""

from pathlib import Path

import pytest

from tests.support.identified import ADA, identified
from tests.support.oidc.person import called

CALL = {"name": "get_forecast", "arguments": {"city": "Oslo", "days": 1}}


@pytest.mark.parametrize("has_front", [False, True], ids=["at the issuer", "through the front"])
async def test_sdk_client_signs_in_and_calls_a_tool_of_an_adapter(tmp_path: Path, has_front: bool) -> None:
    async with identified(tmp_path / "data", front=has_front) as house:
        url = await house.deploy()
        said, person, memory = await called(url, house.trust, **CALL)
        records = (await house.gateway.client.get("/audit", params={"q": "get_forecast"})).json()
    assert "°C" in said
    assert person.consents == int(has_front)
    assert memory.client is not None
    assert memory.tokens is not None
    assert (memory.client.client_id or "").startswith("dcr." if has_front else "registered-")
    assert {(each["principal"], each["status"]) for each in records} == {(house.principal(ADA), 200)}


@pytest.mark.parametrize("has_front", [False, True], ids=["at the issuer", "through the front"])
async def test_sdk_client_signs_in_at_the_gateways_own_server(tmp_path: Path, has_front: bool) -> None:
    async with identified(tmp_path / "data", front=has_front) as house:
        await house.deploy()
        tool = {"name": "forecast", "adapter": "weather", "toolName": "get_forecast"}
        assert (await house.gateway.client.post("/tools", json=tool)).status_code == 201
        said, _, _ = await called(f"{house.url}/mcp", house.trust, **CALL)
    assert "°C" in said


async def test_token_that_the_front_minted_is_for_its_adapter_alone(tmp_path: Path) -> None:
    async with identified(tmp_path / "data", front=True) as house:
        url = await house.deploy()
        _, _, memory = await called(url, house.trust, **CALL)
        assert memory.tokens is not None
        async with house.bare(authorization=f"Bearer {memory.tokens.access_token}") as client:
            assert (await client.post("/mcp", json={})).status_code == 401
            assert (await client.get("/whoami")).status_code == 401
            assert (await client.post("/adapters/weather/mcp", json={})).status_code != 401
