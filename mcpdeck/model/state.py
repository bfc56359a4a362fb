"""What the deck knows of one gateway, and how an event changes it. Pure: no clock, no I/O, no widget."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, assert_never

import msgspec
from msgspec.structs import replace

from gateway.wire.policies import PendingApproval
from gateway.wire.resources import Adapter, AdapterStatus, ChangeEvent, LiveSession, WhoAmI
from gateway.wire.tools import OfferedTool, Tool, ToolsCost, Toolset
from mcpdeck.config.contexts import Context
from mcpdeck.model.contexts import ContextEntry, Reach
from mcpdeck.model.deeds import CAPACITY, Deed
from mcpdeck.model.findings import Finding
from mcpdeck.model.formatting import age
from mcpdeck.model.happenings import Known, News, happening
from mcpdeck.model.pulse import Metrics, Pulse, taken

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Standing(StrEnum):
    """How the deck stands with its gateway."""

    CONNECTING = "connecting"
    LIVE = "live"
    RETRYING = "retrying"
    SIGN_IN = "sign in"  # the gateway answered 401


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """`retry_at` is when the next attempt starts; `reason` says what broke, for a reader."""

    standing: Standing = Standing.CONNECTING
    attempt: int = 0
    retry_at: datetime | None = None
    reason: str = ""


class Signing(msgspec.Struct, frozen=True):
    """A sign-in under way; `told` is what the reader has to do, empty while there is nothing yet."""

    told: str = ""


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """What /mcp offers, what is registered for it, and its toolsets. at: when it was read; None before that."""

    offers: tuple[OfferedTool, ...] = ()
    tools: tuple[Tool, ...] = ()
    toolsets: tuple[Toolset, ...] = ()
    costs: tuple[ToolsCost, ...] = ()  # of the lists of /mcp ("") and of toolsets
    at: datetime | None = None
    trouble: str = ""  # why it could not be read just now


class Doctor(msgspec.Struct, frozen=True, kw_only=True):
    """The last examination; context is empty before the first."""

    context: str = ""
    findings: tuple[Finding, ...] = ()
    is_running: bool = False


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway as last heard. `fresh_at` is when it was last known to be true; None before the first word.

    `mentioned` holds the adapters that the current stream has named, until it says that its snapshot is complete:
    whatever it has not named by then is gone.
    """

    context: str = ""
    url: str = ""
    principal: WhoAmI | None = None
    latency: float | None = None  # seconds
    link: Link = Link()
    contexts: Mapping[str, ContextEntry] = NOTHING
    signing: Signing | None = None
    adapters: Mapping[str, Adapter] = NOTHING
    statuses: Mapping[str, AdapterStatus] = NOTHING
    sessions: Mapping[str, LiveSession] = NOTHING
    fresh_at: datetime | None = None
    mentioned: frozenset[str] = frozenset()
    is_whole: bool = False  # a snapshot has ended: what comes from now on is news
    partial: str = ""  # why lists may lack what other gateways have; empty where they lack nothing
    are_sessions_listed: bool = False  # before that it is not known of which adapter there are how many
    sessions_trouble: str = ""  # why sessions could not be listed just now
    approvals_trouble: str = ""  # why what waits could not be read just now
    unreadable: str = ""  # what of the last events could not be read, and why
    news: tuple[News, ...] = ()  # of the last events alone
    pulse: Pulse = Pulse()
    catalogue: Catalogue = Catalogue()
    approvals: tuple[PendingApproval, ...] = ()  # calls that wait for a word of the reader's
    doctor: Doctor = Doctor()
    deeds: tuple[Deed, ...] = ()  # what was done from here, whatever the context; the latest last

    @property
    def here(self) -> Context:
        """The context that is looked at, as far as it is known."""
        entry = self.contexts.get(self.context)
        return entry.context if entry else Context(name=self.context, url=self.url)

    def elsewhere(self, name: str) -> "State":
        """Another gateway, of which nothing is known yet; what belongs to this side stays."""
        entry = self.contexts.get(name)
        url = entry.context.url if entry else ""
        return State(context=name, url=url, contexts=self.contexts, deeds=self.deeds, doctor=self.doctor)

    @property
    def is_stale(self) -> bool:
        return self.link.standing is not Standing.LIVE

    def sessions_of(self, adapter: str) -> int:
        return sum(1 for session in self.sessions.values() if session.adapter == adapter)

    def session_counts(self) -> Counter[str]:
        return Counter(session.adapter for session in self.sessions.values())


class Restored(msgspec.Struct, frozen=True):
    """What an earlier run left behind, true as of `at`."""

    adapters: tuple[Adapter, ...]
    statuses: Mapping[str, AdapterStatus]
    at: datetime


class Recognised(msgspec.Struct, frozen=True):
    """The gateway said who the caller is; `latency` is how long that took."""

    principal: WhoAmI
    latency: float


class Addressed(msgspec.Struct, frozen=True):
    """Where the context's gateway is."""

    url: str


class ContextsRead(msgspec.Struct, frozen=True):
    """All that there are now."""

    entries: tuple[ContextEntry, ...]


class ContextReached(msgspec.Struct, frozen=True):
    """A gateway was asked whether it answers."""

    name: str
    reach: Reach


class DeedsRead(msgspec.Struct, frozen=True):
    """What was done before this deck was opened."""

    deeds: tuple[Deed, ...]


class DeedDone(msgspec.Struct, frozen=True):
    """Well or not."""

    deed: Deed


class PulseTaken(msgspec.Struct, frozen=True):
    """The gateway's counters were read, or could not be."""

    at: datetime
    metrics: Metrics | None
    trouble: str = ""


class CatalogueRead(msgspec.Struct, frozen=True):
    """The tools, as they are now."""

    catalogue: Catalogue


class CatalogueFailed(msgspec.Struct, frozen=True):
    """They could not be read; what was read before stays."""

    trouble: str


class ApprovalsRead(msgspec.Struct, frozen=True):
    """All that wait, but for what other gateways may have, and why."""

    approvals: tuple[PendingApproval, ...]
    partial: str = ""


class ApprovalsFailed(msgspec.Struct, frozen=True):
    """They could not be read; what was read before stays."""

    trouble: str


class DoctorBegan(msgspec.Struct, frozen=True):
    """A context is being examined."""

    context: str


class DoctorFound(msgspec.Struct, frozen=True):
    finding: Finding


class DoctorEnded(msgspec.Struct, frozen=True):
    """Nothing more will be found."""


class SigningBegan(msgspec.Struct, frozen=True):
    told: str = ""


class SigningTold(msgspec.Struct, frozen=True):
    told: str


class SigningEnded(msgspec.Struct, frozen=True):
    """Well or not."""


class StreamOpened(msgspec.Struct, frozen=True):
    """The change stream is connected; what follows is a snapshot or what was missed."""

    at: datetime


class Heard(msgspec.Struct, frozen=True):
    """The gateway is alive: what is shown was true at that moment."""

    at: datetime


class Changed(msgspec.Struct, frozen=True):
    change: ChangeEvent
    at: datetime


class SnapshotEnded(msgspec.Struct, frozen=True):
    """Everything that exists has been named since the stream opened."""

    at: datetime


class SessionsListed(msgspec.Struct, frozen=True):
    """All that are live, but for what other gateways may have, and why. later: what was told while they were listed."""

    sessions: tuple[LiveSession, ...]
    partial: str = ""
    later: tuple[ChangeEvent, ...] = ()


class SessionsUnlisted(msgspec.Struct, frozen=True):
    """They could not be listed; it is tried again."""

    trouble: str


class Disconnected(msgspec.Struct, frozen=True):
    link: Link


type OwnEvent = (  # of this side alone
    ContextsRead
    | ContextReached
    | PulseTaken
    | CatalogueRead
    | CatalogueFailed
    | ApprovalsRead
    | ApprovalsFailed
    | DoctorBegan
    | DoctorFound
    | DoctorEnded
    | DeedsRead
    | DeedDone
    | SigningBegan
    | SigningTold
    | SigningEnded
)
type DeckEvent = (
    OwnEvent
    | Restored
    | Addressed
    | Recognised
    | StreamOpened
    | Heard
    | Changed
    | SnapshotEnded
    | SessionsListed
    | SessionsUnlisted
    | Disconnected
)


def reduce(state: State, event: DeckEvent) -> State:
    """The state after one event. What is not as the contract says changes nothing, and is told as `unreadable`."""
    return reduce_all(state, (event,))


def reduce_all(state: State, events: Iterable[DeckEvent]) -> State:
    """As `reduce` over each, but the maps are copied once for all, so that a snapshot of thousands is linear."""
    draft = _Draft(state)
    for event in events:
        draft.apply(event)
    return draft.finished()


class _Draft:
    """A state under way: maps may be written until it is finished."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.adapters = dict(state.adapters)
        self.statuses = dict(state.statuses)
        self.sessions = dict(state.sessions)
        self.mentioned = set(state.mentioned)
        self.news: list[News] = []
        self.unreadable = ""

    def finished(self) -> State:
        return replace(
            self.state,
            adapters=MappingProxyType(self.adapters),
            statuses=MappingProxyType(self.statuses),
            sessions=MappingProxyType(self.sessions),
            mentioned=frozenset(self.mentioned),
            news=tuple(self.news),
            unreadable=self.unreadable,
        )

    def apply(self, event: DeckEvent) -> None:
        match event:
            case Restored():
                self.adapters = {adapter.name: adapter for adapter in event.adapters}
                self.statuses = dict(event.statuses)
                self.state = replace(self.state, fresh_at=event.at)
            case Addressed():
                self.state = replace(self.state, url=event.url)
            case Heard():
                self.state = replace(self.state, fresh_at=event.at)
            case Recognised():
                self.state = replace(self.state, principal=event.principal, latency=event.latency)
            case StreamOpened():
                self.mentioned.clear()
                if self.state.is_whole:
                    self._tell(event.at, "", f"live again after {age(self.state.fresh_at, event.at)}")
                self.state = replace(self.state, link=Link(standing=Standing.LIVE), fresh_at=event.at)
            case Changed():
                self._changed(event)
                self.state = replace(self.state, fresh_at=event.at)
            case SnapshotEnded():
                self.adapters = {name: it for name, it in self.adapters.items() if name in self.mentioned}
                self.statuses = {name: it for name, it in self.statuses.items() if name in self.mentioned}
                self.mentioned.clear()
                self.state = replace(self.state, fresh_at=event.at, is_whole=True)
            case SessionsListed() | SessionsUnlisted():
                self._listed(event)
            case Disconnected():
                if not self.state.is_stale and self.state.fresh_at is not None:
                    self._tell(self.state.fresh_at, "", f"lost: {event.link.reason}")
                self.state = replace(self.state, link=event.link)
            case _:
                self._apply_own(event)

    def _apply_own(self, event: OwnEvent) -> None:
        match event:
            case ContextsRead():
                self.state = replace(self.state, contexts={entry.name: entry for entry in event.entries})
            case ContextReached():
                self._reached(event)
            case PulseTaken():
                pulse = taken(self.state.pulse, event.at, event.metrics, dict(self.sessions))
                self.state = replace(self.state, pulse=replace(pulse, trouble=event.trouble))
            case CatalogueRead():
                self.state = replace(self.state, catalogue=event.catalogue)
            case CatalogueFailed():
                catalogue = replace(self.state.catalogue, trouble=event.trouble)
                self.state = replace(self.state, catalogue=catalogue)
            case ApprovalsRead() | ApprovalsFailed():
                self._approvals(event)
            case DoctorBegan() | DoctorFound() | DoctorEnded():
                self.state = replace(self.state, doctor=_examined(self.state.doctor, event))
            case DeedsRead():
                self.state = replace(self.state, deeds=(*event.deeds, *self.state.deeds)[-CAPACITY:])
            case DeedDone():
                self.state = replace(self.state, deeds=(*self.state.deeds, event.deed)[-CAPACITY:])
            case SigningBegan() | SigningTold():
                self.state = replace(self.state, signing=Signing(event.told))
            case SigningEnded():
                self.state = replace(self.state, signing=None)
            case other:
                assert_never(other)

    def _listed(self, event: SessionsListed | SessionsUnlisted) -> None:
        if isinstance(event, SessionsUnlisted):
            self.state = replace(self.state, sessions_trouble=event.trouble)
            return
        self.sessions = {session.id: session for session in event.sessions}
        for change in event.later:
            with suppress(msgspec.ValidationError):  # was told when it came
                self._change(change)
        self.state = replace(self.state, partial=event.partial, are_sessions_listed=True, sessions_trouble="")

    def _approvals(self, event: ApprovalsRead | ApprovalsFailed) -> None:
        if isinstance(event, ApprovalsFailed):
            self.state = replace(self.state, approvals_trouble=event.trouble)
        else:
            self.state = replace(self.state, approvals=event.approvals, partial=event.partial, approvals_trouble="")

    def _tell(self, at: datetime, kind: str, text: str) -> None:
        if text:
            self.news.append(News(at, kind, text))

    def _reached(self, event: ContextReached) -> None:
        contexts = self.state.contexts
        if (entry := contexts.get(event.name)) is not None:
            told = replace(entry, reach=event.reach)
            self.state = replace(self.state, contexts={**contexts, event.name: told})

    def _changed(self, event: Changed) -> None:
        """One that breaks the contract keeps what was known before; the reader is told."""
        change = event.change
        try:
            text = happening(change, Known(self.adapters, self.statuses, self.sessions)) if self.state.is_whole else ""
            self._change(change)
        except msgspec.ValidationError as error:
            text = f"{change.name}: the gateway says what this deck can not read: {error}"
            self.unreadable = self.unreadable or f"{change.kind.lower()} {text}"
            self.mentioned.add(change.name)  # whatever it is, it exists
        self._tell(event.at, change.kind.lower(), text)

    def _change(self, change: ChangeEvent) -> None:
        match change.kind, change.type:
            case "Adapter", "deleted":
                self.adapters.pop(change.name, None)
                self.statuses.pop(change.name, None)
                self.mentioned.discard(change.name)
            case "Adapter", "status":
                self.statuses[change.name] = msgspec.convert(change.resource, AdapterStatus)
            case "Adapter", _:
                self.adapters[change.name] = msgspec.convert(change.resource, Adapter)
                self.mentioned.add(change.name)
            case "Session", "deleted":
                self.sessions.pop(change.name, None)
            case "Session", _:
                self.sessions[change.name] = msgspec.convert(change.resource, LiveSession)
            case _:
                pass  # a kind that a newer gateway knows


def _examined(doctor: Doctor, event: DoctorBegan | DoctorFound | DoctorEnded) -> Doctor:
    match event:
        case DoctorBegan():
            return Doctor(context=event.context, is_running=True)
        case DoctorFound():
            return replace(doctor, findings=(*doctor.findings, event.finding))
        case DoctorEnded():
            return replace(doctor, is_running=False)
