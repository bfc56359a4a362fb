"""/adapters through the application: every status of the contract, who may what, etags, merge patches."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from gateway.core.access import Principal
from gateway.core.desired import Desired, Revision
from gateway.core.errors import PreconditionFailed, Unsupported
from gateway.wire.names import AdapterName
from gateway.wire.resources import Adapter, AdapterSpec, AdapterStatus, Page
from tests.support.gateway_fakes import (
    ADA,
    ADMIN,
    BEA,
    EVE,
    Answer,
    ControlPlane,
    control_plane,
    headers_of,
    instance,
    stdio,
)

SPEC = {"name": "weather", "stdio": {"command": "weather-server"}}
READABLE = SPEC | {"requiredRoles": ["forecasters"]}
PROBLEM = "application/problem+json"


@pytest.fixture(name="plane")
async def _plane() -> AsyncIterator[ControlPlane]:
    async with control_plane() as plane:
        yield plane


async def created(plane: ControlPlane, spec: dict[str, Any] = SPEC) -> Answer:
    answer = await plane.ask("POST", "/adapters", ADA, json=spec)
    assert answer.status == 201, answer.body
    return answer


# Creating


async def test_a_created_adapter_is_returned_with_its_place_and_etag(plane: ControlPlane) -> None:
    answer = await created(plane)
    assert answer.headers["Location"] == "/adapters/weather"
    assert answer.headers["ETag"] == answer.json["etag"] == '"1"'
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json["id"] == answer.json["name"] == "weather"
    assert answer.json["createdBy"] == "ada"
    assert answer.json["createdAt"] == answer.json["lastUpdatedAt"] == "2026-11-24T12:00:00Z"
    assert answer.json["replicaCount"] == 1
    assert msgspec.json.decode(answer.body, type=Adapter).stdio is not None
    assert (await plane.ask("GET", "/adapters/weather", ADA)).json == answer.json


async def test_roles_are_trimmed_and_counted_once(plane: ControlPlane) -> None:
    answer = await created(plane, SPEC | {"requiredRoles": [" Forecasters ", "forecasters", ""]})
    assert answer.json["requiredRoles"] == ["Forecasters"]


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (SPEC | {"naem": 1}, "naem", "did you mean name?"),
        (SPEC | {"image_name": "x"}, "image_name", "did you mean imageName?"),
        (SPEC | {"zzz": 1}, "zzz", "is not a known field"),
        (SPEC | {"stdio": {"command": "x", "shell": True}}, "stdio.shell", "is not a known field"),
        ({"stdio": {"command": "x"}}, "name", "is required"),
        (SPEC | {"stdio": {}}, "stdio.command", "is required"),
        (SPEC | {"replicaCount": "two"}, "replicaCount", "expected `int`"),
        (SPEC | {"environmentVariables": {"A": None}}, "environmentVariables.*", "expected `str`"),
        (SPEC | {"name": "Weather!"}, "name", "DNS label"),
        (SPEC | {"name": "w" * 53}, "name", "DNS label"),
        (SPEC | {"replicaCount": 101}, "replicaCount", "0 to 100"),
        (SPEC | {"imageName": "x", "imageVersion": "1"}, "source", "exactly one of"),
        ({"name": "weather"}, "source", "exactly one of"),
        ({"name": "weather", "imageName": "a..b", "imageVersion": "1"}, "imageName", "is not a repository"),
        (SPEC | {"environmentVariables": {"A B": "1"}}, "environmentVariables.A B", "not an environment"),
        ([], "", "expected `object`"),
    ],
)
async def test_what_is_not_valid_is_400_by_field(plane: ControlPlane, body: Any, field: str, said: str) -> None:
    answer = await plane.ask("POST", "/adapters", ADA, json=body)
    assert answer.status == 400
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.json["code"] == "invalid"
    assert said in answer.errors[field][0]
    assert await plane.store.list() == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"name": "a",\n "port": 80,}', "line 2, column 13"),
        (b"", "no body"),
        (b'{"name": ', "not JSON"),
        (b'{"name":"\xff"}', "not UTF-8"),
        (b"{not json", "line 1, column 2"),
    ],
)
async def test_malformed_json_is_400_and_names_the_place(plane: ControlPlane, body: bytes, said: str) -> None:
    answer = await plane.ask("POST", "/adapters", ADA, data=body)
    assert answer.status == 400
    assert said in answer.json["detail"]


async def test_json_that_nests_without_end_is_400(plane: ControlPlane) -> None:
    await created(plane)
    for method, path in (("POST", "/adapters"), ("PATCH", "/adapters/weather")):
        answer = await plane.ask(method, path, ADA, data=b'{"a":' * 100_000)
        assert answer.status == 400, answer.body


async def test_a_body_too_large_is_413() -> None:
    async with control_plane(max_body=1000) as plane:
        answer = await plane.ask("POST", "/adapters", ADA, json=SPEC | {"description": "x" * 1000})
        assert answer.status == 413
        assert answer.json["code"] == "too-large"
        assert "1000 bytes" in answer.json["detail"]


async def test_a_name_that_is_taken_is_409_and_the_first_stays(plane: ControlPlane) -> None:
    first = await created(plane)
    answer = await plane.ask("POST", "/adapters", ADMIN, json=SPEC | {"description": "mine now"})
    assert answer.status == 409
    assert answer.json["code"] == "conflict"
    assert (await plane.ask("GET", "/adapters/weather")).json == first.json


async def test_what_the_backend_refuses_is_not_stored(plane: ControlPlane) -> None:
    plane.backend.refused = Unsupported("imageName needs podman or docker; install one, or use stdio")
    answer = await plane.ask("POST", "/adapters", ADA, json=SPEC)
    assert answer.status == 400
    assert answer.json["code"] == "unsupported"
    assert "podman" in answer.json["detail"]
    assert await plane.store.list() == []


async def test_to_create_takes_a_role(plane: ControlPlane) -> None:
    for who in (BEA, EVE):
        answer = await plane.ask("POST", "/adapters", who, json=SPEC)
        assert answer.status == 403
        assert "mcp.engineer" in answer.json["detail"]


async def test_the_clouds_identity_takes_an_administrator(plane: ControlPlane) -> None:
    wanted = SPEC | {"useWorkloadIdentity": True}
    assert (await plane.ask("POST", "/adapters", ADA, json=wanted)).status == 403
    assert (await plane.ask("POST", "/adapters", ADMIN, json=wanted)).status == 201


# Who may what


MATRIX = [  # who, and what they get: list, get, status, logs, sessions, put, patch, restart, delete
    (ADMIN, 1, 200, 200, 200, 200, 200, 200, 202, 204),
    (ADA, 1, 200, 200, 200, 200, 200, 200, 202, 204),
    (BEA, 1, 200, 200, 200, 200, 403, 403, 403, 403),
    (EVE, 0, 403, 403, 403, 403, 403, 403, 403, 403),
]


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: row[0].id)
async def test_who_may_what(plane: ControlPlane, row: tuple[Any, ...]) -> None:
    who: Principal = row[0]
    await created(plane, READABLE)
    listed = await plane.ask("GET", "/adapters", who)
    got = [
        len(listed.json),
        (await plane.ask("GET", "/adapters/weather", who)).status,
        (await plane.ask("GET", "/adapters/weather/status", who)).status,
        (await plane.ask("GET", "/adapters/weather/logs", who)).status,
        (await plane.ask("GET", "/adapters/weather/sessions", who)).status,
        (await plane.ask("PUT", "/adapters/weather", who, json=READABLE)).status,
        (await plane.ask("PATCH", "/adapters/weather", who, json={"replicaCount": 2})).status,
        (await plane.ask("POST", "/adapters/weather/restart", who)).status,
        (await plane.ask("DELETE", "/adapters/weather", who)).status,
    ]
    assert got == list(row[1:])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/adapters/nosuch"),
        ("PUT", "/adapters/nosuch"),
        ("PATCH", "/adapters/nosuch"),
        ("DELETE", "/adapters/nosuch"),
        ("GET", "/adapters/nosuch/status"),
        ("GET", "/adapters/nosuch/logs"),
        ("GET", "/adapters/nosuch/sessions"),
        ("POST", "/adapters/nosuch/restart"),
        ("GET", "/adapters/No%20Name%21"),
    ],
)
async def test_what_is_absent_is_404_on_every_verb(plane: ControlPlane, method: str, path: str) -> None:
    body = {"json": SPEC | {"name": "nosuch"}} if method in ("PUT", "PATCH") else {}
    answer = await plane.ask(method, path, ADMIN, **body)
    assert answer.status == 404
    assert answer.json["code"] == "not-found"


async def test_values_of_the_environment_are_for_writers(plane: ControlPlane) -> None:
    await created(plane, READABLE | {"environmentVariables": {"KEY": "secret"}})
    assert (await plane.ask("GET", "/adapters/weather", ADA)).json["environmentVariables"] == {"KEY": "secret"}
    assert (await plane.ask("GET", "/adapters/weather", BEA)).json["environmentVariables"] == {"KEY": None}
    assert (await plane.ask("GET", "/adapters", BEA)).json[0]["environmentVariables"] == {"KEY": None}


# Changing


async def test_put_replaces_all_but_creator_and_time_of_creation(plane: ControlPlane) -> None:
    await created(plane, SPEC | {"description": "old", "replicaCount": 3})
    answer = await plane.ask("PUT", "/adapters/weather", ADMIN, json=SPEC | {"port": 9000})
    assert answer.status == 200
    assert answer.headers["ETag"] == answer.json["etag"] == '"2"'
    assert answer.json["createdBy"] == "ada"
    assert (answer.json["description"], answer.json["replicaCount"], answer.json["port"]) == ("", 1, 9000)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_name_and_identity_never_change(plane: ControlPlane, method: str) -> None:
    await created(plane)
    answer = await plane.ask(method, "/adapters/weather", ADMIN, json=SPEC | {"name": "other"})
    assert answer.status == 400
    assert "'weather'" in answer.errors["name"][0]
    answer = await plane.ask(method, "/adapters/weather", ADMIN, json=SPEC | {"useWorkloadIdentity": True})
    assert answer.status == 400
    assert "never changes" in answer.errors["useWorkloadIdentity"][0]


async def test_patch_merges_as_rfc_7396_says(plane: ControlPlane) -> None:
    await created(
        plane,
        SPEC | {"environmentVariables": {"A": "1", "B": "2"}, "session": {"max": 5}, "requiredRoles": ["pilots"]},
    )
    merge = {
        "environmentVariables": {"A": None, "C": "3"},
        "session": {"idleTimeout": 60},
        "requiredRoles": ["sailors"],
        "resources": {"limits": {"memory": "1Gi"}},
    }
    answer = await plane.ask(
        "PATCH", "/adapters/weather", ADA, json=merge, headers={"Content-Type": "application/merge-patch+json"}
    )
    assert answer.status == 200, answer.body
    assert answer.json["environmentVariables"] == {"B": "2", "C": "3"}
    assert answer.json["session"]["max"] == 5
    assert answer.json["session"]["idleTimeout"] == 60
    assert answer.json["requiredRoles"] == ["sailors"]
    assert answer.json["resources"]["limits"] == {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "2Gi"}


async def test_patch_can_exchange_the_source(plane: ControlPlane) -> None:
    await created(plane)
    answer = await plane.ask(
        "PATCH", "/adapters/weather", ADA, json={"stdio": None, "url": "https://weather.example/mcp"}
    )
    assert answer.status == 200
    assert answer.json["stdio"] is None
    assert answer.json["url"] == "https://weather.example/mcp"


@pytest.mark.parametrize(
    ("merge", "said"),
    [
        ({"replicas": 3}, "replicas is not a known field"),
        ({"replicaCount": "3"}, "replicaCount: expected `int`"),
        ({"replicaCount": 1000}, "replicaCount must be 0 to 100"),
        ({"name": None}, "name: is required"),
        ([{"op": "replace"}], "a merge patch (RFC 7396) is a JSON object"),
    ],
)
async def test_a_patch_that_is_not_valid_changes_nothing(plane: ControlPlane, merge: Any, said: str) -> None:
    first = await created(plane)
    answer = await plane.ask("PATCH", "/adapters/weather", ADA, json=merge)
    assert answer.status == 400
    assert said.replace("replicas is", "replicas: is") in answer.json["detail"]
    assert (await plane.ask("GET", "/adapters/weather", ADA)).json == first.json


@pytest.mark.parametrize(
    ("if_match", "status"),
    [('"1"', 200), ("1", 200), ('W/"1"', 200), ('"9", "1"', 200), ("*", 200), ('"2"', 412), ('"11"', 412)],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "RESTART"])
async def test_if_match_is_honoured(plane: ControlPlane, method: str, if_match: str, status: int) -> None:
    await created(plane)
    headers = {"If-Match": if_match}
    if method == "RESTART":
        answer = await plane.ask("POST", "/adapters/weather/restart", ADA, headers=headers)
    else:
        body = {} if method == "DELETE" else {"json": SPEC}
        answer = await plane.ask(method, "/adapters/weather", ADA, headers=headers, **body)
    success = {"PUT": 200, "PATCH": 200, "DELETE": 204, "RESTART": 202}[method]
    assert answer.status == (success if status == 200 else 412)
    if answer.status == 412:
        assert answer.json["code"] == "precondition-failed"


async def test_a_get_with_the_present_etag_is_304(plane: ControlPlane) -> None:
    await created(plane)
    answer = await plane.ask("GET", "/adapters/weather", headers={"If-None-Match": '"1"'})
    assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", '"1"')
    assert (await plane.ask("GET", "/adapters/weather", headers={"If-None-Match": '"0"'})).status == 200


async def test_scaling_is_not_the_backends_to_refuse(plane: ControlPlane) -> None:
    await created(plane)
    plane.backend.refused = Unsupported("docker is gone")
    assert (await plane.ask("PATCH", "/adapters/weather", ADA, json={"replicaCount": 0})).status == 200
    assert (await plane.ask("PATCH", "/adapters/weather", ADA, json={"port": 9000})).status == 400


async def test_a_restart_is_remembered_and_is_no_change_of_the_specification(plane: ControlPlane) -> None:
    await created(plane)
    answer = await plane.ask("POST", "/adapters/weather/restart", ADA)
    assert answer.status == 202
    stored = (await plane.store.list())[0]
    assert stored.restarted_at is not None
    assert stored.spec == stdio()


# Deleting


async def test_a_deleted_adapters_route_is_gone_at_once(plane: ControlPlane) -> None:
    await plane.deploy()
    assert "weather" in plane.routes.table.routes
    answer = await plane.ask("DELETE", "/adapters/weather", ADA)
    assert (answer.status, answer.body) == (204, b"")
    assert plane.routes.table.routes == {}
    assert (await plane.ask("GET", "/adapters/weather")).status == 404
    assert (await plane.ask("DELETE", "/adapters/weather")).status == 404


# Status


async def test_status_has_microsofts_words_and_ours(plane: ControlPlane) -> None:
    await plane.deploy(stdio(replica_count=2))
    plane.backend.see("weather", instance(), instance("weather-1", reason="", restarts=3))
    await plane.reconciler.reconcile()
    told = (await plane.ask("GET", "/adapters/weather/status")).json
    assert {name: told[name] for name in ("readyReplicas", "updatedReplicas", "availableReplicas")} == {
        "readyReplicas": 2,
        "updatedReplicas": 2,
        "availableReplicas": 2,
    }
    assert (told["image"], told["replicaStatus"], told["phase"]) == ("", "Healthy", "Ready")
    assert [each["restarts"] for each in told["instances"]] == [0, 3]
    assert [each["type"] for each in told["conditions"]] == ["Ready", "Progressing"]


async def test_status_is_there_before_anything_runs(plane: ControlPlane) -> None:
    await created(plane)
    answer = await plane.ask("GET", "/adapters/weather/status", ADA)
    told = msgspec.json.decode(answer.body, type=AdapterStatus)
    assert (told.replica_status, told.phase) == ("Degraded: 0/1 ready", "Pending")


# Lists


async def filled(plane: ControlPlane) -> None:
    for name in ("charlie", "alpha", "bravo"):
        await plane.adapters.create(ADA, stdio(name, description=f"about {name}"))
    await plane.adapters.create(ADMIN, AdapterSpec(name="delta", url="https://delta.example/mcp"))


async def test_without_a_limit_a_list_is_an_array_of_everything(plane: ControlPlane) -> None:
    await filled(plane)
    answer = await plane.ask("GET", "/adapters")
    assert [each["name"] for each in answer.json] == ["alpha", "bravo", "charlie", "delta"]


async def test_pages_hold_each_adapter_once_whatever_changes_between_them(plane: ControlPlane) -> None:
    await filled(plane)
    first = msgspec.json.decode((await plane.ask("GET", "/adapters?limit=2")).body, type=Page[Adapter])
    assert [each.name for each in first.items] == ["alpha", "bravo"]
    await plane.ask("DELETE", "/adapters/bravo")
    answer = await plane.ask("GET", f"/adapters?limit=2&cursor={first.next_cursor}")
    assert [each["name"] for each in answer.json["items"]] == ["charlie", "delta"]
    assert "nextCursor" not in answer.json


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=ABOUT B", ["bravo"]),
        ("q=weather-server", ["alpha", "bravo", "charlie"]),
        ("q=delta.example", ["delta"]),
        ("createdBy=ADA", ["alpha", "bravo", "charlie"]),
        ("source=url", ["delta"]),
        ("phase=pending", ["alpha", "bravo", "charlie", "delta"]),
        ("phase=Ready", []),
        ("source=stdio&q=alpha", ["alpha"]),
        ("requiredRole=x", []),
    ],
)
async def test_lists_are_searched_and_filtered(plane: ControlPlane, query: str, names: list[str]) -> None:
    await filled(plane)
    answer = await plane.ask("GET", f"/adapters?{query.replace(' ', '%20')}")
    assert [each["name"] for each in answer.json] == names


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "cursor=%25", "owner=ada"])
async def test_a_list_asked_for_in_a_wrong_way_is_400(plane: ControlPlane, query: str) -> None:
    answer = await plane.ask("GET", f"/adapters?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.errors


# Races and oddities


@pytest.fixture(name="_contended")
def _contention(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else writes between the read and the write of the next change."""
    get, others = plane.store.get, iter([{"port": 9001}])

    async def contended(name: AdapterName) -> Desired | None:
        found = await get(name)
        if found is not None and (merge := next(others, None)):
            spec = msgspec.structs.replace(found.spec, port=merge["port"])
            await plane.store.put(msgspec.structs.replace(found, spec=spec), expect=found.revision)
        return found

    monkeypatch.setattr(plane.store, "get", contended)


@pytest.mark.usefixtures("_contended")
async def test_a_patch_without_an_etag_is_applied_to_what_somebody_else_just_wrote(plane: ControlPlane) -> None:
    await created(plane)
    answer = await plane.ask("PATCH", "/adapters/weather", ADA, json={"description": "mine"})
    assert answer.status == 200
    assert (answer.json["port"], answer.json["description"], answer.json["etag"]) == (9001, "mine", '"3"')


@pytest.mark.usefixtures("_contended")
async def test_a_patch_with_an_etag_is_not(plane: ControlPlane) -> None:
    await created(plane)
    answer = await plane.ask(
        "PATCH", "/adapters/weather", ADA, json={"description": "mine"}, headers={"If-Match": '"1"'}
    )
    assert answer.status == 412
    assert (await plane.ask("GET", "/adapters/weather", ADA)).json["port"] == 9001


async def test_a_write_that_always_comes_too_late_gives_up(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    await created(plane)

    async def late(desired: Desired, *, expect: Revision | None) -> Desired:
        raise PreconditionFailed(f"{desired.name} is not at {expect}")

    monkeypatch.setattr(plane.store, "put", late)
    assert (await plane.ask("PATCH", "/adapters/weather", ADA, json={"port": 9000})).status == 412


async def test_a_patch_that_nests_deeper_than_any_specification_is_400(plane: ControlPlane) -> None:
    await created(plane)
    answer = await plane.ask("PATCH", "/adapters/weather", ADA, data=b'{"stdio":' * 900 + b"1" + b"}" * 900)
    assert answer.status == 400


async def test_a_body_that_does_not_come_is_a_problem(plane: ControlPlane) -> None:
    plane.app.config["BODY_TIMEOUT"] = 0.01
    async with plane.app.test_client().request("/adapters", method="POST", headers=headers_of(ADA)) as connection:
        async with asyncio.timeout(10):
            body = await connection.receive()
    assert msgspec.json.decode(body)["code"] == "request-timeout"
