"""What answers to the doctor's questions mean, and what to do about them."""

import base64
import json
from typing import Any

import pytest

from gateway.wire.resources import WhoAmI
from mcpdeck.doctor import verdicts
from mcpdeck.doctor.verdicts import Claims, claims_of
from mcpdeck.model.findings import Finding, Outcome, lines, summary
from mcpdeck.model.words import ASCII, UNICODE
from tests.support import scenes

NOW = 1_800_000_000.0


def jwt(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def test_token_says_who_made_it_and_how_long_it_is_good() -> None:
    claims = claims_of(jwt(iss="https://idp", aud=["api://gateway"], exp=NOW + 3600, roles=["mcp.admin"]))
    assert claims == Claims(issuer="https://idp", audience="api://gateway", expires_at=NOW + 3600, roles=("mcp.admin",))
    found = verdicts.token(claims, NOW)
    assert (found.outcome, found.told) == (Outcome.OK, "of https://idp, for api://gateway, good for 60m")


@pytest.mark.parametrize("text", ["opaque", "a.b.c", "a.!!!.c", "e30.W10.x", ""])
def test_token_that_is_no_jwt_says_nothing(text: str) -> None:
    assert claims_of(text) == Claims(is_opaque=True)


def test_odd_claims_do_no_harm() -> None:
    claims = claims_of(jwt(iss="a\x1b[31mb", aud=7, exp="soon", roles="mcp.admin"))
    assert claims == Claims(issuer="ab", audience="7")


@pytest.mark.parametrize(
    ("left", "outcome", "fix"),
    [(-60, Outcome.WRONG, "mcpdeck login"), (60, Outcome.WARNING, "it is renewed by itself"), (3600, Outcome.OK, "")],
)
def test_token_that_ends_is_told_in_time(left: float, outcome: Outcome, fix: str) -> None:
    found = verdicts.token(Claims(issuer="i", audience="a", expires_at=NOW + left), NOW)
    assert (found.outcome, found.fix) == (outcome, fix)


def test_certificate_that_ends_soon_is_told() -> None:
    assert verdicts.certificate(90 * 86400.0, "mcp.example.com").outcome is Outcome.OK
    assert verdicts.certificate(86400.0, "mcp.example.com").outcome is Outcome.WARNING


@pytest.mark.parametrize(
    ("permissions", "outcome", "told"),
    [
        (["admin", "create"], Outcome.OK, "may change everything"),
        (["create"], Outcome.OK, "may deploy adapters"),
        ([], Outcome.WARNING, "may look"),
    ],
)
def test_roles_are_told_with_what_they_allow(permissions: list[str], outcome: Outcome, told: str) -> None:
    who = WhoAmI(id="ada", name="Ada", roles=[], permissions=permissions, authentication="oidc")
    found = verdicts.roles(who)
    assert found.outcome is outcome
    assert told in found.told


def test_adapters_in_trouble_are_named_with_their_reason() -> None:
    scene = scenes.team()
    found = verdicts.adapters(list(scene.adapters.values()), scene.statuses)
    assert found.told == "2 of 14 adapters in trouble: search (OOMKilled) and legacy-crm (ImagePullBackOff)"
    assert found.fix == "mcpdeck adapters status search; mcpdeck logs search"


def test_no_adapters_is_no_error() -> None:
    assert verdicts.adapters([], {}).outcome is Outcome.WARNING


def test_handshake_is_tried_with_one_that_is_ready_or_the_one_that_is_wanted() -> None:
    scene = scenes.team()
    adapters = list(scene.adapters.values())
    assert verdicts.ready_adapter(adapters, scene.statuses, "") == "browser"
    assert verdicts.ready_adapter(adapters, scene.statuses, "time") == "time"
    assert verdicts.ready_adapter(adapters, {}, "") == ""


def found(check: str, outcome: Outcome, **more: Any) -> Finding:
    return Finding(check=check, title=check.capitalize(), outcome=outcome, told="told", **more)


@pytest.mark.parametrize(
    ("outcomes", "sentence"),
    [
        ([Outcome.OK, Outcome.SKIPPED], "all is well"),
        ([Outcome.OK, Outcome.WARNING], "works; mind Tls"),
        ([Outcome.WRONG, Outcome.WARNING], "Name wrong"),
    ],
)
def test_summary_is_one_sentence(outcomes: list[Outcome], sentence: str) -> None:
    assert (
        summary([found(check, outcome) for check, outcome in zip(("name", "tls"), outcomes, strict=True)]) == sentence
    )


def test_lines_show_what_is_found_and_what_is_still_asked() -> None:
    it = [found("name", Outcome.OK, seconds=0.012), found("connection", Outcome.WRONG, fix="mend it")]
    text = ["".join(cell.text for cell in line) for line in lines(it, is_running=True, width=80, glyphs=UNICODE)]
    assert text[0] == "✓ Name            told   12ms"
    assert text[1].startswith("✖ Connection")
    assert text[2].strip() == "› mend it"
    assert text[3] == "◌ TLS             asking"
    assert len(text) == 11
    assert "".join(
        "".join(cell.text for cell in line) for line in lines(it, is_running=True, width=80, glyphs=ASCII)
    ).isascii()


def test_long_sentence_goes_on_under_its_beginning() -> None:
    it = Finding(check="name", title="Name", outcome=Outcome.OK, told="one two three " * 8, fix="do this " * 8)
    text = ["".join(cell.text for cell in line) for line in lines([it], is_running=False, width=60, glyphs=UNICODE)]
    assert all(len(line) <= 60 for line in text)
    assert text[1].startswith(" " * 18 + "o")
    assert sum("›" in line for line in text) == 1
