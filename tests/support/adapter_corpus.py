"""Adapters right and wrong, as people write them: one corpus for the API's validation and the cluster's."""

import random
from typing import Any

STDIO = {"command": "mcp-server-time", "args": ["--local-timezone", "UTC"]}
IMAGE = {"imageName": "team/weather", "imageVersion": "1.2"}
URL = {"url": "https://example.com/mcp"}
SECRET = {"secret": "s", "key": "k"}

GRANT = {
    "kind": "client-credentials",
    "tokenUrl": "https://idp.example.com/token",
    "clientId": "gateway",
    "clientSecret": SECRET,
}


RIGHT: tuple[dict[str, Any], ...] = (
    {"stdio": STDIO},
    {"stdio": {"command": "npx"}},
    {"stdio": STDIO | IMAGE},
    {"stdio": {"command": " \u2003x"}},
    {"stdio": {"command": "a", "args": ["", "b c", "\n"]}},
    URL,
    {"url": "http://[::1]:8080/mcp?tenant=a"},
    {"url": "https://example.com/ü?q=ß"},
    URL | {"headers": {"Authorization": SECRET, "X-~!#$%&'*+.^_`|": SECRET}},
    URL | {"headers": {"Te-st": SECRET, "Hosts": SECRET}},
    URL | {"authorization": GRANT},
    URL | {"authorization": GRANT | {"kind": "token-exchange", "audience": "crm", "resource": "https://crm.example"}},
    URL | {"authorization": GRANT | {"kind": "on-behalf-of", "scope": "api://crm/.default offline_access"}},
    URL | {"authorization": GRANT, "headers": {"X-Authorization": SECRET}},
    URL | {"authorization": GRANT | {"scope": "a b", "resource": "https://a", "audience": "x"}},
    URL | {"authorization": GRANT, "headers": {"Authorizations": SECRET}},
    IMAGE,
    {"imageName": "ghcr.io/team/weather", "imageVersion": "1.2", "command": ["a"], "args": ["b"]},
    {"imageName": "localhost:5000/weather", "imageVersion": "sha256:" + "0" * 64},
    {"imageName": "UPPER.example.COM/weather", "imageVersion": "_1"},
    {"imageName": "", "imageVersion": "", "command": [], "args": [], "url": "", "stdio": STDIO},
    {"imageName": "a" * 255, "imageVersion": "x" * 128},
    {"stdio": STDIO, "name": "a" * 52},
    {"stdio": STDIO, "name": "0-9"},
    {"stdio": STDIO, "replicaCount": 0},
    {"stdio": STDIO, "replicaCount": 100},
    {"stdio": STDIO, "environmentVariables": {"LANG": "C.UTF-8", "_": ""}, "secretEnvironment": {"TOKEN": SECRET}},
    {"stdio": STDIO, "environmentVariables": {f"A{n}": "" for n in range(256)}},
    {"stdio": STDIO, "resources": {"requests": {"cpu": "100m"}, "limits": {"ephemeral-storage": "1.5Gi"}}},
    {"stdio": STDIO, "resources": {"requests": {"cpu": ""}, "limits": {}}},
    {"stdio": STDIO, "session": {"isolation": "shared", "idleTimeout": 0.5, "max": 1, "resurrect": True}},
    {"stdio": STDIO, "timeouts": {"connect": 0.1, "firstByte": 1, "idle": 0, "total": 5}},
    {"stdio": STDIO, "recording": {"enabled": True, "maxMessages": 10000, "sample": 0.01}},
    {"stdio": STDIO, "path": "/v1/mcp.json", "port": 65535},
    {"stdio": STDIO, "path": "/", "port": 1},
    {"stdio": STDIO, "era": "bridge"},
    {"stdio": STDIO, "description": "ß" * 4096},
    {"stdio": STDIO, "useWorkloadIdentity": True, "requiredRoles": ["a", " A ", ""]},
)

WRONG: tuple[dict[str, Any], ...] = (
    {},
    STDIO,
    IMAGE | {"stdio": STDIO},
    IMAGE | URL,
    URL | {"stdio": STDIO},
    IMAGE | URL | {"stdio": STDIO},
    {"stdio": STDIO, "name": "Weather"},
    {"stdio": STDIO, "name": "a" * 53},
    {"stdio": STDIO, "name": "-a"},
    {"stdio": STDIO, "name": "a.b"},
    {"imageName": "a/../b", "imageVersion": "1"},
    {"imageName": "a..b/c", "imageVersion": "1"},
    {"imageName": "UPPER", "imageVersion": "1"},
    {"imageName": "team/weather\n", "imageVersion": "1"},
    {"imageName": "a" * 256, "imageVersion": "1"},
    {"imageName": "team/weather"},
    {"imageName": "team/weather", "imageVersion": "sha256:00"},
    {"imageName": "team/weather", "imageVersion": "x" * 129},
    {"imageName": "team/weather", "imageVersion": "1\n"},
    {"stdio": STDIO, "imageVersion": "1"},
    {"stdio": STDIO, "command": ["a"]},
    {"stdio": STDIO, "args": ["a"]},
    {"stdio": STDIO | {"imageName": "UPPER", "imageVersion": "1"}},
    {"stdio": STDIO | {"imageName": "mcp/time"}},
    {"stdio": STDIO | {"imageVersion": "1"}},
    {"stdio": {}},
    {"stdio": {"command": ""}},
    {"stdio": {"command": " \t\u2003\x1c"}},
    {"stdio": {"command": "a\0"}},
    {"stdio": {"command": "a", "args": ["b\0"]}},
    {"stdio": {"command": "a", "shell": True}},
    {"url": "ftp://example.com"},
    {"url": "https://user:secret@example.com"},
    {"url": "https://example.com/#here"},
    {"url": "https://example.com/a\r\nHost: b"},
    {"url": "https://exa\x00mple.com"},
    {"url": "https://example.com/\u2003"},
    {"url": "https://example.com/\x85"},
    {"url": "https://"},
    {"stdio": STDIO, "headers": {"X-A": SECRET}},
    URL | {"headers": {"X A": SECRET}},
    URL | {"headers": {"": SECRET}},
    URL | {"headers": {"HOST": SECRET}},
    URL | {"headers": {"Mcp-Session-Id": SECRET}},
    URL | {"headers": {"transfer-encoding": SECRET}},
    URL | {"headers": {"X-A": {"secret": "s"}}},
    {"stdio": STDIO, "authorization": GRANT},
    IMAGE | {"authorization": GRANT},
    URL | {"authorization": {}},
    URL | {"authorization": GRANT | {"kind": "password"}},
    URL | {"authorization": GRANT | {"tokenUrl": "http://idp.example.com/token"}},
    URL | {"authorization": GRANT | {"tokenUrl": "https://me:too@idp.example.com/token"}},
    URL | {"authorization": GRANT | {"tokenUrl": ""}},
    URL | {"authorization": GRANT | {"clientId": ""}},
    URL | {"authorization": GRANT | {"clientId": "a\n"}},
    URL | {"authorization": GRANT | {"clientSecret": "in clear"}},
    URL | {"authorization": GRANT | {"scope": "ß"}},
    URL | {"authorization": GRANT | {"audience": "x" * 1025}},
    URL | {"authorization": GRANT | {"password": "x"}},
    URL | {"authorization": GRANT, "headers": {"AUTHORIZATION": SECRET}},
    {"stdio": STDIO, "authorization": GRANT},
    URL | {"authorization": GRANT | {"tokenUrl": "http://a/t"}},
    URL | {"authorization": GRANT | {"clientId": ""}},
    URL | {"authorization": GRANT | {"clientId": "c" * 1025}},
    URL | {"authorization": GRANT | {"scope": "ü"}},
    URL | {"authorization": GRANT | {"kind": "guess"}},
    URL | {"authorization": GRANT, "headers": {"authorization": SECRET}},
    {"stdio": STDIO, "replicaCount": -1},
    {"stdio": STDIO, "replicaCount": 101},
    {"stdio": STDIO, "replicaCount": "1"},
    {"stdio": STDIO, "replicaCount": 1.5},
    {"stdio": STDIO, "description": "x" * 4097},
    {"stdio": STDIO, "port": 0},
    {"stdio": STDIO, "port": 65536},
    {"stdio": STDIO, "path": "mcp"},
    {"stdio": STDIO, "path": ""},
    {"stdio": STDIO, "path": "/a b"},
    {"stdio": STDIO, "path": "/a\n"},
    {"stdio": STDIO, "environmentVariables": {"1A": "x"}},
    {"stdio": STDIO, "environmentVariables": {"A\n": "x"}},
    {"stdio": STDIO, "environmentVariables": {"A": "x\0"}},
    {"stdio": STDIO, "environmentVariables": {"A": 1}},
    {"stdio": STDIO, "environmentVariables": {f"A{n}": "" for n in range(257)}},
    {"stdio": STDIO, "secretEnvironment": {"A-B": SECRET}},
    {"stdio": STDIO, "secretEnvironment": {"A": {"secret": "s", "key": "k", "more": "x"}}},
    {"stdio": STDIO, "environmentVariables": {"A": "x"}, "secretEnvironment": {"A": SECRET}},
    {"stdio": STDIO, "resources": {"requests": {"cpu": "much"}}},
    {"stdio": STDIO, "resources": {"limits": {"ephemeral-storage": "1 Gi"}}},
    {"stdio": STDIO, "resources": {"limits": {"gpu": "1"}}},
    {"stdio": STDIO, "session": {"idleTimeout": 0}},
    {"stdio": STDIO, "session": {"max": 0}},
    {"stdio": STDIO, "session": {"isolation": "none"}},
    {"stdio": STDIO, "timeouts": {"connect": 0}},
    {"stdio": STDIO, "timeouts": {"firstByte": -1}},
    {"stdio": STDIO, "timeouts": {"total": -1}},
    {"stdio": STDIO, "timeouts": {"idle": -1}},
    {"stdio": STDIO, "recording": {"maxMessages": 0}},
    {"stdio": STDIO, "recording": {"maxMessages": 10001}},
    {"stdio": STDIO, "recording": {"sample": 0}},
    {"stdio": STDIO, "recording": {"sample": 1.5}},
    {"stdio": STDIO, "recording": {"on": True}},
    {"stdio": STDIO, "era": "stone"},
    {"stdio": STDIO, "unknown": 1},
)

_PIECES = (
    "a",
    "B",
    "0",
    "-",
    ".",
    "..",
    "_",
    "__",
    "/",
    ":",
    "@",
    "https://",
    "?",
    "#",
    " ",
    "\n",
    "\x1f",
    "\u2028",
    "ß",
    "sha256:",
)
_FIELDS = ("imageName", "imageVersion", "url", "path", "name", "environmentVariables", "headers", "cpu", "command")


def arbitrary(count: int, seed: int = 20261124) -> list[dict[str, Any]]:
    """Specs with one field made of pieces that rules stumble over; right and wrong ones, the same for one seed."""
    chance = random.Random(seed)
    return [
        _with(chance.choice(_FIELDS), "".join(chance.choices(_PIECES, k=chance.randint(0, 4)))) for _ in range(count)
    ]


def _with(field: str, text: str) -> dict[str, Any]:
    match field:
        case "imageName" | "imageVersion":
            return IMAGE | {field: text}
        case "url":
            return {"url": text}
        case "headers":
            return URL | {"headers": {text: SECRET}}
        case "environmentVariables":
            return {"stdio": STDIO, field: {text: text}}
        case "cpu":
            return {"stdio": STDIO, "resources": {"requests": {"cpu": text}}}
        case "command":
            return {"stdio": {"command": text}}
        case _:
            return {"stdio": STDIO, field: text}
