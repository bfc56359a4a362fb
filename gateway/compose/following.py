"""A worker beside the one that leads: what it needs to pass bytes, and nothing of what manages."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from gateway.compose.house import House, bounds_of, hosts_of, kept_running, make_private, renew, trusted
from gateway.core.affinity import Sealer
from gateway.core.ports import Exchange
from gateway.core.routes import Routes
from gateway.dataplane.lane import give_away
from gateway.dataplane.pipeline import Pipeline
from gateway.services.witness import Witness
from gateway.settings import Settings
from gateway.stores.keys import keep_keys, load_keys
from gateway.workers.door import Onward
from gateway.workers.follower import Entries, Following, Reporting


@asynccontextmanager
async def following(
    settings: Settings, variables: Mapping[str, str], *, number: int, meeting: Path
) -> AsyncIterator[House]:
    """A worker beside the one that leads: it passes bytes between clients and adapters, and sends all else on."""
    make_private(settings)
    keys = load_keys(settings.seal_keys)
    identified = trusted(settings, variables, keys)
    routes, entries, sealer = Routes(), Entries(), Sealer(keys)
    sessions = Reporting(entries)
    async with Onward(meeting) as onward, AsyncExitStack() as stack:
        distant = Distant()
        pipeline = await stack.enter_async_context(
            Pipeline(
                routes,
                identified.authenticator,
                sessions,
                sealer,
                hosts=hosts_of(settings, identified.public_url),
                tools=distant,
                witness=Witness(entries),
                assertions=identified.assertions,
                tokens=identified.tokens,
                challenge=identified.challenge,
                scheme="https" if settings.tls_certificate else "http",
                bounds=bounds_of(settings),
                elsewhere=give_away,
            )
        )
        link = Following(
            number,
            meeting,
            routes,
            sessions=sessions,
            entries=entries,
            counters=pipeline.counters.numbers,
            divert=pipeline.divert,
        )
        distant.link = link
        tasks = {
            "follow the lead": link.run(),
            "let idle sessions go": sessions.run(),
            "keep the keys": keep_keys(settings.seal_keys, partial(renew, (sealer, identified))),
        }
        async with kept_running(tasks):
            await link.has_routes.wait()
            yield House(pipeline, None, lambda: None, onward=onward)


class Distant:
    """core.ports.ToolsDoor of a follower: the lead's is meant, to which everything goes as it came."""

    link: Following | None = None

    @property
    def has_policies(self) -> bool:
        return self.link is not None and self.link.is_weighed

    def serve(self, exchange: Exchange, *_: object) -> None:
        give_away(exchange)

    def weigh(self, exchange: Exchange, *_: object, **__: object) -> None:
        give_away(exchange)
