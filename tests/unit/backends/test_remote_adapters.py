"""A server elsewhere: where its name leads, whether one may go there, and what is seen of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec
import pytest

from gateway.backends.reach.caller import Caller, open_caller
from gateway.backends.reach.patience import Patience
from gateway.backends.reach.problems import CannotStart
from gateway.backends.reach.refusals import refusal_of_url
from gateway.backends.reach.remote import Egress, OutOfBounds, Remote, addresses_of, field_lines, uid_of
from gateway.backends.reach.remotes import Remotes
from gateway.core.errors import Invalid, UpstreamBroke
from gateway.core.observed import Instance
from gateway.wire.http1 import Request
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName
from gateway.wire.resources import AdapterSpec, Authorization, GrantKind, Phase, SecretReference
from tests.support.answering import Reply, answering, message, method_of
from tests.support.desired import desired
from tests.support.fake_tokens import CREDENTIALS, FakeTokens

PATIENCE = Patience(first_restart=0.01, longest_restart=0.02, remote=0.02, answer=5, handshake=5)
NOWHERE_SPECIAL = Egress()
ANYWHERE = Egress(allow_private=True, allow_http=True)
INITIALIZED = message({"protocolVersion": "2025-11-25", "capabilities": {}})


def mcp_server(request: Request) -> Reply:
    return Reply(body=INITIALIZED) if method_of(request) == "initialize" else Reply(404)


def names(**addresses: Sequence[str]) -> Callable[[str, int], "object"]:
    """A name server that knows these, dots written as `_`."""

    async def resolve(host: str, _: int) -> Sequence[str]:
        found = addresses.get(host.replace(".", "_"))
        if found is None:
            raise OSError("Name or service not known")
        return found

    return resolve


async def judged(url: str, egress: Egress = NOWHERE_SPECIAL, **addresses: Sequence[str]) -> Sequence[str]:
    return await addresses_of(urlsplit(url), egress, names(**addresses), seconds=5)  # type: ignore[arg-type]


# where one may go


async def test_a_public_https_server_may_be_called() -> None:
    assert await judged("https://crm.example", crm_example=["93.184.216.34"]) == ["93.184.216.34"]


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "127.0.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"]
)
async def test_a_private_address_needs_an_operators_word(address: str) -> None:
    with pytest.raises(OutOfBounds, match=f"crm.example is {address}, which is private; .* --allow-private-urls"):
        await judged("https://crm.example", crm_example=[address])
    assert await judged("https://crm.example", Egress(allow_private=True), crm_example=[address]) == [address]


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "168.63.129.16", "fe80::1%eth0", "0.0.0.0", "224.0.0.1", "fd00:ec2::254"]
)
async def test_some_addresses_are_nobodys_to_allow(address: str) -> None:
    with pytest.raises(OutOfBounds, match="where no adapter may lie"):
        await judged("https://crm.example", ANYWHERE, crm_example=[address])


async def test_one_address_out_of_bounds_is_enough() -> None:
    with pytest.raises(OutOfBounds):
        await judged("https://crm.example", crm_example=["93.184.216.34", "10.0.0.1"])


@pytest.mark.parametrize("url", ["https://[::1]:8443/mcp", "https://127.0.0.1", "https://[::ffff:127.0.0.1]/"])
async def test_an_address_in_the_url_is_judged_without_a_name_server(url: str) -> None:
    with pytest.raises(OutOfBounds):
        await judged(url)
    assert len(await judged(url, ANYWHERE)) == 1


async def test_http_out_of_private_networks_needs_an_operators_word() -> None:
    for egress in (NOWHERE_SPECIAL, Egress(allow_private=True)):
        with pytest.raises(OutOfBounds, match=r"reached by https only; .* --allow-http-urls"):
            await judged("http://crm.example", egress, crm_example=["93.184.216.34"])
    assert await judged("http://crm.example", Egress(allow_http=True), crm_example=["93.184.216.34"])


async def test_http_within_private_networks_comes_with_them() -> None:
    assert await judged("http://crm.example", Egress(allow_private=True), crm_example=["10.0.0.1"])
    with pytest.raises(OutOfBounds, match="private"):
        await judged("http://crm.example", Egress(allow_http=True), crm_example=["10.0.0.1"])


@pytest.mark.parametrize("url", ["https://2130706433/", "https://0x7f.1/", "https://localhost/"])
async def test_other_spellings_of_an_address_are_names_for_the_name_server_to_judge(url: str) -> None:
    host = urlsplit(url).hostname or ""

    async def resolve(asked: str, _: int) -> Sequence[str]:
        assert asked == host
        return ["127.0.0.1"]

    with pytest.raises(OutOfBounds):
        await addresses_of(urlsplit(url), Egress(), resolve, seconds=5)


async def test_a_name_without_addresses_is_no_refusal() -> None:
    with pytest.raises(OSError, match="not known"):
        await judged("https://crm.example")
    with pytest.raises(OSError, match="no answer"):
        await judged("https://crm.example", crm_example=[])


# what is seen


class Watch:
    """A `url` adapter that is looked after, and what is seen of it."""

    def __init__(
        self, caller: Caller, spec: AdapterSpec, resolve: object, *, secrets: Mapping[str, str], egress: Egress
    ) -> None:
        self.news = asyncio.Event()
        self._secrets = secrets
        self.remote = Remote(
            spec,
            is_tool=False,
            caller=caller,
            secrets=self._values,
            egress=egress,
            resolve=resolve,  # type: ignore[arg-type]
            patience=PATIENCE,
            on_change=self.news.set,
        )

    async def _values(self, references: Mapping[str, SecretReference]) -> dict[str, str]:
        try:
            return {name: self._secrets[reference.key] for name, reference in references.items()}
        except KeyError as error:
            raise CannotStart("SecretMissing", f"no {error}") from error

    async def until(self, is_so: Callable[[Instance], object]) -> Instance:
        async with asyncio.timeout(30):
            while True:
                for instance in self.remote.observed().instances:
                    if is_so(instance):
                        return instance
                self.news.clear()
                await self.news.wait()

    async def ready(self) -> Instance:
        return await self.until(lambda instance: instance.is_ready)


@contextlib.asynccontextmanager
async def watched(
    spec: AdapterSpec, resolve: object = None, *, secrets: Mapping[str, str] | None = None, egress: Egress = ANYWHERE
) -> AsyncIterator[Watch]:
    async with open_caller() as caller, asyncio.TaskGroup() as tasks:
        watch = Watch(caller, spec, resolve or names(), secrets={} if secrets is None else secrets, egress=egress)
        keeping = tasks.create_task(watch.remote.keep())
        try:
            yield watch
        finally:
            keeping.cancel()


def spec(url: str, **fields: object) -> AdapterSpec:
    return AdapterSpec(name="crm", url=url, **fields)  # type: ignore[arg-type]


async def test_an_endpoint_has_the_judged_address_and_the_urls_name_and_path() -> None:
    async with answering(mcp_server) as server:
        url = f"http://crm.example:{server.port}/a/mcp?tenant=1"
        async with watched(spec(url), names(crm_example=["127.0.0.1"])) as watch:
            endpoint = (await watch.ready()).endpoint
        assert server.asked[0].target == b"/a/mcp?tenant=1"
    assert endpoint is not None
    assert (endpoint.host, endpoint.port, endpoint.path) == ("127.0.0.1", server.port, "/a/mcp?tenant=1")
    assert (endpoint.authority, endpoint.is_tls, endpoint.eras) == (
        f"crm.example:{server.port}",
        False,
        frozenset({Era.LEGACY}),
    )
    assert (endpoint.instance, endpoint.uid) == ("crm-0", uid_of(spec(url)))


@pytest.mark.parametrize("url", ["https://crm.example:99999/mcp", "https://[::1/mcp", "https://[x]/"])
async def test_what_is_no_url_has_failed_and_says_so(url: str) -> None:
    """A gateway refuses it; kubectl may write it."""
    async with watched(spec(url)) as watch:
        failed = await watch.until(lambda instance: instance.phase is Phase.FAILED)
    assert failed.reason == "NotAllowed"
    assert failed.message.startswith(f"{url} is no URL: ")


async def test_error_that_nobody_foresaw_is_one_adapters_alone(caplog: pytest.LogCaptureFixture) -> None:
    news = asyncio.Event()

    async def secrets(references: Mapping[str, SecretReference]) -> dict[str, str]:
        if references:
            raise RuntimeError("no one saw this coming")
        return {}

    async with (
        answering(mcp_server) as server,
        open_caller() as caller,
        asyncio.TaskGroup() as tasks,
        asyncio.timeout(30),
    ):
        remotes = Remotes(
            tasks,
            lambda _: news.set(),
            caller=caller,
            secrets=secrets,
            egress=ANYWHERE,
            resolve=names(),  # type: ignore[arg-type]
            patience=PATIENCE,
        )
        url, header = f"http://127.0.0.1:{server.port}/mcp", SecretReference(secret="s", key="k")
        remotes.want(desired(AdapterSpec(name="bad", url=url, headers={"X-Key": header})), None)
        remotes.want(desired(AdapterSpec(name="good", url=url)), None)
        while not any(each.is_ready for each in remotes.observed(AdapterName("good")).instances):
            news.clear()
            await news.wait()
        for name in remotes:
            remotes.dismiss(name)
    assert "bad can't be looked after" in caplog.text


async def test_a_url_without_a_path_is_the_root() -> None:
    async with answering(mcp_server) as server, watched(spec(f"http://127.0.0.1:{server.port}")) as watch:
        endpoint = (await watch.ready()).endpoint
        assert endpoint is not None
        assert endpoint.path == "/"


def test_the_uid_is_the_same_in_every_gateway_and_another_for_another_url_or_adapter() -> None:
    one = spec("https://a.example/mcp")
    assert uid_of(one) == uid_of(spec("https://a.example/mcp", description="other"))
    assert len({uid_of(one), uid_of(spec("https://b.example/mcp")), uid_of(AdapterSpec(name="x", url=one.url))}) == 3


async def test_headers_come_from_secrets_in_lower_case() -> None:
    headers = {"X-Api-Key": SecretReference(secret="crm", key="token")}
    async with answering(mcp_server) as server:
        wanted = spec(f"http://127.0.0.1:{server.port}/", headers=headers)
        async with watched(wanted, secrets={"token": " abc "}) as watch:
            await watch.ready()
            assert watch.remote.observed().headers == ((b"x-api-key", b"abc"),)
    assert server.asked[0].header(b"x-api-key") == b"abc"


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "\0", "\N{EURO SIGN}"])
def test_a_secret_that_fits_into_no_header_is_refused(value: str) -> None:
    with pytest.raises(CannotStart, match="'x'"):
        field_lines({"x": value})


async def test_a_missing_secret_is_said_and_found_later() -> None:
    secrets: dict[str, str] = {}
    async with answering(mcp_server) as server:
        wanted = spec(f"http://127.0.0.1:{server.port}/", headers={"a": SecretReference(secret="crm", key="token")})
        async with watched(wanted, secrets=secrets) as watch:
            await watch.until(lambda instance: instance.reason == "SecretMissing")
            assert server.asked == []
            secrets["token"] = "abc"
            await watch.ready()


async def test_what_may_not_be_called_is_never_called() -> None:
    async with answering(mcp_server) as server:
        url = f"http://crm.example:{server.port}/mcp"
        async with watched(spec(url), names(crm_example=["127.0.0.1"]), egress=Egress(allow_http=True)) as watch:
            seen = await watch.until(lambda instance: instance.reason == "NotAllowed")
    assert seen.endpoint is None
    assert server.asked == []


async def test_an_address_that_turns_private_later_is_dropped() -> None:
    addresses = ["127.0.0.1"]
    async with answering(mcp_server) as server:
        url = f"http://crm.example:{server.port}/mcp"
        async with watched(spec(url), names(crm_example=addresses)) as watch:
            await watch.ready()
            addresses[:] = ["169.254.169.254"]
            seen = await watch.until(lambda instance: instance.reason == "NotAllowed")
    assert (seen.phase, seen.endpoint) == (Phase.FAILED, None)


async def test_a_server_that_moves_is_followed_once_its_old_address_fails() -> None:
    addresses = ["127.0.0.2"]
    async with answering(mcp_server) as server:
        url = f"http://crm.example:{server.port}/mcp"
        async with watched(spec(url), names(crm_example=addresses)) as watch:
            await watch.until(lambda instance: instance.reason == "Unreachable")
            addresses.append("127.0.0.1")
            endpoint = (await watch.ready()).endpoint
    assert endpoint is not None
    assert endpoint.host == "127.0.0.1"


async def test_an_address_that_works_is_kept_whatever_the_order_of_the_answers() -> None:
    addresses = ["127.0.0.1"]
    async with answering(mcp_server) as server:
        url = f"http://crm.example:{server.port}/mcp"
        async with watched(spec(url), names(crm_example=addresses)) as watch:
            await watch.ready()
            addresses[:] = ["127.0.0.9", "127.0.0.1"]
            asked = len(server.asked)
            async with asyncio.timeout(30):
                while len(server.asked) < asked + 6:  # noqa: ASYNC110 - the server raises no event
                    await asyncio.sleep(0.01)
            endpoint = (await watch.ready()).endpoint
    assert endpoint is not None
    assert endpoint.host == "127.0.0.1"


async def test_a_server_that_goes_and_comes_back_is_seen_to_and_keeps_its_endpoint() -> None:
    is_up = True

    def sometimes(request: Request) -> Reply:
        return mcp_server(request) if is_up else Reply(503)

    async with answering(sometimes) as server, watched(spec(f"http://127.0.0.1:{server.port}/mcp")) as watch:
        first = await watch.ready()
        is_up = False
        down = await watch.until(lambda instance: not instance.is_ready)
        assert (down.phase, down.reason, down.uid) == (Phase.FAILED, "HandshakeFailed", first.uid)
        assert down.endpoint is not None
        assert "503" in down.message
        is_up = True
        assert await watch.ready() == first


async def test_a_name_that_nobody_knows_is_said() -> None:
    async with watched(spec("https://nowhere.example/mcp")) as watch:
        seen = await watch.until(lambda instance: instance.phase is Phase.FAILED)
    assert (seen.reason, seen.message) == (
        "NameNotResolved",
        "nowhere.example has no address: Name or service not known",
    )


async def test_name_server_that_is_gone_changes_nothing_for_who_had_an_address() -> None:
    is_there = True

    async def resolve(host: str, port: int) -> Sequence[str]:
        if not is_there:
            looked.set()
            raise OSError("Temporary failure in name resolution")
        return ["127.0.0.1"]

    looked = asyncio.Event()
    async with answering(mcp_server) as server:
        url = f"http://crm.example:{server.port}/mcp"
        async with watched(spec(url), resolve) as watch:
            first = await watch.ready()
            is_there, before = False, len(server.asked)
            watch.remote.want(spec(url), is_renewed=True)
            await looked.wait()
            async with asyncio.timeout(30):
                while len(server.asked) == before:  # noqa: ASYNC110 - its list raises no event
                    await asyncio.sleep(0)
            assert (await watch.ready()).endpoint == first.endpoint


async def test_another_url_is_another_instance_at_once() -> None:
    async with answering(mcp_server) as server, watched(spec(f"http://127.0.0.1:{server.port}/mcp")) as watch:
        first = await watch.ready()
        watch.remote.want(spec(f"http://127.0.0.1:{server.port}/other"))
        starting = watch.remote.observed().instances[0]
        assert (starting.phase, starting.endpoint) == (Phase.STARTING, None)
        second = await watch.ready()
    assert first.uid != second.uid


async def test_being_told_the_same_while_it_is_asked_does_not_make_it_ask_again() -> None:
    async with answering(mcp_server) as server:
        url = f"http://crm.example:{server.port}/mcp"

        async def resolve(host: str, port: int) -> Sequence[str]:
            watch.remote.want(spec(url, description="edited meanwhile"))
            return ["127.0.0.1"]

        async with watched(spec(url), resolve) as watch:
            await watch.ready()
    assert len(server.asked) == 2


async def test_scaled_to_zero_it_is_left_alone() -> None:
    async with (
        answering(mcp_server) as server,
        watched(spec(f"http://127.0.0.1:{server.port}/", replica_count=0)) as watch,
    ):
        assert watch.remote.observed().instances == ()
        assert server.asked == []
        watch.remote.want(spec(f"http://127.0.0.1:{server.port}/"))
        await watch.ready()


# access tokens


GRANT = Authorization(
    kind=GrantKind.CLIENT_CREDENTIALS,
    token_url="https://idp.example/token",
    client_id="gateway",
    client_secret=SecretReference(secret="crm", key="secret"),
)


def guarded_server(request: Request) -> Reply:
    """Answers who shows the first token."""
    return mcp_server(request) if request.header(b"authorization") == b"Bearer t1" else Reply(401)


async def test_server_is_probed_with_a_token_of_the_gateways_own_and_so_its_eras_are_known() -> None:
    tokens = FakeTokens()
    async with answering(guarded_server) as server:
        spec = AdapterSpec(name="crm", url=f"http://127.0.0.1:{server.port}/mcp", authorization=GRANT)
        egress = Egress(allow_private=True, tokens=tokens)
        async with watched(spec, secrets={"secret": "s3cret"}, egress=egress) as watch:
            instance = await watch.ready()
            grant = watch.remote.observed().grant
    assert instance.endpoint is not None
    assert instance.endpoint.eras == {Era.LEGACY}
    assert grant == CREDENTIALS
    assert tokens.asked[0] == ("", "")
    assert "s3cret" not in repr(watch.remote.observed())


async def test_server_that_no_longer_takes_its_secret_is_not_ready_until_it_has_another() -> None:
    secrets = {"token": "Bearer old"}
    async with answering(guarded_server) as server:
        reference = SecretReference(secret="crm", key="token")
        spec = AdapterSpec(name="crm", url=f"http://127.0.0.1:{server.port}/mcp", headers={"Authorization": reference})
        async with watched(spec, secrets=secrets, egress=ANYWHERE) as watch:
            instance = await watch.until(lambda it: it.phase is Phase.FAILED)
            assert instance.reason == "CredentialsRefused"
            secrets["token"] = "Bearer t1"
            await watch.ready()


async def test_server_that_wants_callers_tokens_is_probed_without_and_may_say_nothing() -> None:
    tokens = FakeTokens()
    exchange = msgspec.structs.replace(GRANT, kind=GrantKind.TOKEN_EXCHANGE)
    async with answering(guarded_server) as server:
        spec = AdapterSpec(name="crm", url=f"http://127.0.0.1:{server.port}/mcp", authorization=exchange)
        egress = Egress(allow_private=True, tokens=tokens)
        async with watched(spec, secrets={"secret": "s3cret"}, egress=egress) as watch:
            instance = await watch.ready()
    assert "answers 401 to the gateway" in instance.message
    assert not tokens.asked


@pytest.mark.parametrize(
    ("tokens", "secrets", "reason", "sentence"),
    [
        (FakeTokens(refuses="nobody's tokens go there"), {"secret": "s"}, "NotAllowed", "nobody's tokens"),
        (FakeTokens(UpstreamBroke("the issuer is down")), {"secret": "s"}, "NoAccessToken", "the issuer is down"),
        (FakeTokens(), {}, "SecretMissing", "secret"),
        (None, {"secret": "s"}, "NotAllowed", "gets no access tokens"),
    ],
    ids=["untrusted", "issuer", "secret", "none"],
)
async def test_token_that_is_not_to_be_had_is_said_in_the_status(
    tokens: FakeTokens | None, secrets: dict[str, str], reason: str, sentence: str
) -> None:
    async with answering(guarded_server) as server:
        spec = AdapterSpec(name="crm", url=f"http://127.0.0.1:{server.port}/mcp", authorization=GRANT)
        egress = Egress(allow_private=True, tokens=tokens)
        async with watched(spec, secrets=secrets, egress=egress) as watch:
            instance = await watch.until(lambda instance: instance.reason)
        assert not server.asked
    assert (instance.phase, instance.reason) == (Phase.FAILED, reason)
    assert sentence in instance.message


async def test_other_grant_is_another_server_until_it_was_looked_at() -> None:
    async with answering(mcp_server) as server:
        spec = AdapterSpec(name="crm", url=f"http://127.0.0.1:{server.port}/mcp", authorization=GRANT)
        egress = Egress(allow_private=True, tokens=FakeTokens())
        async with watched(spec, secrets={"secret": "s3cret"}, egress=egress) as watch:
            await watch.ready()
            other = msgspec.structs.replace(GRANT, client_id="other")
            watch.remote.want(msgspec.structs.replace(spec, authorization=other))
            assert watch.remote.observed().grant is None
            await watch.ready()
            grant = watch.remote.observed().grant
    assert grant is not None
    assert grant.client_id == "other"


async def test_place_that_callers_tokens_may_not_go_to_is_refused_at_once() -> None:
    spec = AdapterSpec(name="crm", url="https://crm.example", authorization=GRANT)
    resolve = names(crm_example=["93.184.216.34"])
    egress = Egress(tokens=FakeTokens(refuses="callers' tokens go to trusted issuers"))
    refusal = await refusal_of_url(spec, egress, resolve, seconds=5)  # type: ignore[arg-type]
    assert isinstance(refusal, Invalid)
    assert refusal.errors == {"authorization.tokenUrl": ["callers' tokens go to trusted issuers"]}
    assert await refusal_of_url(spec, Egress(tokens=FakeTokens()), resolve, seconds=5) is None  # type: ignore[arg-type]
