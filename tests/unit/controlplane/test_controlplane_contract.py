"""The OpenAPI document: complete, of the right shape, and what the routes do; and the page made from it."""

import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from gateway.controlplane.contract import ACTIONS, OPERATIONS, REFUSALS, TAGS
from gateway.controlplane.openapi import document
from tests.support.gateway_fakes import ADA, ControlPlane, control_plane

SPEC = {"name": "weather", "stdio": {"command": "weather-server"}}
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture(name="plane")
async def _plane() -> AsyncIterator[ControlPlane]:
    async with control_plane() as plane:
        yield plane


def routes(plane: ControlPlane) -> set[tuple[str, str, str]]:
    return {
        (method, re.sub(r"<(\w+)>", r"{\1}", rule.rule), rule.endpoint)
        for rule in plane.app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS") and rule.endpoint != "static"
    }


async def test_every_route_is_in_the_contract_and_nothing_else(plane: ControlPlane) -> None:
    assert {(each.method, each.path, each.endpoint) for each in OPERATIONS} == routes(plane)


async def test_every_write_has_a_name_in_the_audit_log() -> None:
    writes = {each.endpoint for each in OPERATIONS if each.method != "GET"}
    assert writes == ACTIONS.keys()
    assert len(set(ACTIONS.values())) == len(ACTIONS)


async def test_the_document_is_served_and_names_the_version(plane: ControlPlane) -> None:
    told = (await plane.ask("GET", "/openapi.json")).json
    assert told == msgspec.json.decode(msgspec.json.encode(document(told["info"]["version"], authentication="dev")))
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", told["info"]["version"])


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from nodes(each)


@pytest.mark.parametrize("authentication", ["dev", "oidc"])
def test_the_document_has_the_shape_of_openapi_3_1(authentication: str) -> None:
    """OpenAPI 3.1.1, sections 4.8.1 to 4.8.30: what is required, and what is allowed where."""
    told = document("1.2.3", authentication=authentication)
    assert told.keys() <= {"openapi", "info", "servers", "paths", "components", "security", "tags"}
    assert re.fullmatch(r"3\.1\.\d+", told["openapi"])
    assert {"title", "version"} <= told["info"].keys()
    assert told["info"]["license"] == {"name": "MIT", "identifier": "MIT"}
    assert all(each["url"] for each in told["servers"])
    schemes = told["components"]["securitySchemes"]
    assert all(set(each) <= schemes.keys() for each in told["security"])
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in (*told["components"]["schemas"], *schemes))
    ids: list[str] = []
    for path, item in told["paths"].items():
        assert path.startswith("/")
        assert item.keys() <= METHODS
        for operation in item.values():
            ids.append(operation["operationId"])
            assert set(operation["tags"]) <= TAGS.keys()
            check_operation(path, operation)
    assert len(ids) == len(set(ids))


def check_operation(path: str, operation: dict[str, Any]) -> None:
    named = [(each["name"], each["in"]) for each in operation["parameters"]]
    assert len(named) == len(set(named))
    assert {name for name, place in named if place == "path"} == set(re.findall(r"{(\w+)}", path))
    for each in operation["parameters"]:
        assert each["in"] in ("query", "header", "path")
        assert each.get("required") is True or each["in"] != "path"
        assert each["schema"]["type"] in ("string", "integer", "boolean")
    assert operation["responses"]
    for status, answer in operation["responses"].items():
        assert re.fullmatch(r"[1-5]\d\d", status)
        assert answer["description"]
        assert all("schema" in media for media in answer.get("content", {}).values())
    if "requestBody" in operation:
        assert operation["requestBody"]["content"]


def test_every_reference_leads_to_a_schema() -> None:
    told = document("1", authentication="oidc")
    found = {node["$ref"] for node in nodes(told) if "$ref" in node}
    assert {"#/components/schemas/AdapterSpec", "#/components/schemas/Problem"} <= found
    for reference in found:
        assert reference.removeprefix("#/components/schemas/") in told["components"]["schemas"]


def test_what_clients_send_may_hold_nothing_else_and_what_they_get_may() -> None:
    schemas = document("1", authentication="oidc")["components"]["schemas"]
    assert schemas["AdapterSpec"]["additionalProperties"] is False
    assert schemas["AdapterSpec"]["required"] == ["name"]
    assert "additionalProperties" not in schemas["Adapter"]
    assert {"etag", "createdBy", "createdAt", "id"} <= set(schemas["Adapter"]["required"])


async def test_statuses_that_come_are_statuses_that_are_told(plane: ControlPlane) -> None:
    told = document("1", authentication="dev")["paths"]
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/adapters", {"json": SPEC}),
        ("POST", "/adapters", {"json": SPEC}),
        ("POST", "/adapters", {"json": {}}),
        ("GET", "/adapters/{name}", {"headers": {"If-None-Match": "*"}}),
        ("PUT", "/adapters/{name}", {"json": SPEC, "headers": {"If-Match": '"0"'}}),
        ("PATCH", "/adapters/{name}", {"json": {"description": "new"}}),
        ("POST", "/adapters/{name}/restart", {}),
        ("GET", "/adapters/{name}/status", {}),
        ("GET", "/adapters/{name}/logs", {}),
        ("GET", "/adapters/{name}/sessions", {}),
        ("GET", "/sessions/live/{session_id}", {}),
        ("GET", "/readyz", {}),
        ("DELETE", "/adapters/{name}", {}),
        ("DELETE", "/adapters/{name}", {}),
    ]
    for method, path, more in asked:
        concrete = path.replace("{name}", "weather").replace("{session_id}", "x")
        answer = await plane.ask(method, concrete, ADA, **more)
        responses = told[path][method.lower()]["responses"]
        assert str(answer.status) in responses, (method, path, answer)
        media = answer.headers.get("Content-Type", "").partition(";")[0]
        if answer.body:
            assert media in responses[str(answer.status)]["content"], (method, path, answer)


def test_every_refusal_is_explained() -> None:
    assert {status for each in OPERATIONS for status in each.refusals} <= REFUSALS.keys()


class Page(HTMLParser):
    """Checks that elements close, and keeps what is linked and loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        given = dict(attrs)
        if given.get("id"):
            assert given["id"] not in self.ids
            self.ids.add(given["id"] or "")
        if "href" in given:
            self.links.add(given["href"] or "")
        assert "src" not in given
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_the_page_stands_by_itself_and_shows_every_route(plane: ControlPlane) -> None:
    answer = await plane.ask("GET", "/docs")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    text = answer.body.decode()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert not page.seen & {"script", "link", "img", "iframe"}
    assert "http://" not in text
    assert "https://" not in text
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= page.ids
    assert page.links - {link for link in page.links if link.startswith("#")} == {"/openapi.json"}
    for operation in OPERATIONS:
        assert operation.path in text
        assert operation.endpoint.replace(".", "_") in page.ids
    assert "light-dark(" in text
