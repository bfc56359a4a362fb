"""What a command's word may be, as the deck knows it now: for completion. Pure."""

from collections.abc import Iterable

from mcpdeck.model.commands import Takes
from mcpdeck.model.state import State


def values_of(kind: Takes, state: State, *, themes: Iterable[str]) -> Iterable[str]:
    match kind:
        case Takes.ADAPTER:
            return state.adapters
        case Takes.SESSION:
            return state.sessions
        case Takes.THEME:
            return themes
        case Takes.CONTEXT:
            return state.contexts
        case Takes.ENDPOINT:
            own = (f"/mcp/{toolset.name}" for toolset in state.catalogue.toolsets)
            return ["/mcp", *own, *state.adapters]
        case Takes.TOOL:
            return [offer.name for offer in state.catalogue.offers]
        case Takes.REACHED:
            return [*state.adapters, *(offer.name for offer in state.catalogue.offers)]
        case Takes.TOOLSET:
            return [toolset.name for toolset in state.catalogue.toolsets]
