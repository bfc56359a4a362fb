"""What every place of the deck offers the shell: a title, a filter, something to focus."""

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Sequence

from textual.containers import Vertical

from mcpdeck.model.commands import View
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.tools import ToolRow
from mcpdeck.model.words import Tone
from mcpdeck.tui.widgets.part_line import TitleLine


class Place(Vertical):
    """One view. It is shown the state, and reads nothing else."""

    view: View
    filter_text = ""
    lifted_filter = ""  # what ctrl+f brings back

    @property
    def title_line(self) -> TitleLine:
        return self.query_one("TitleLine.-first", TitleLine)

    @abstractmethod
    def show_state(self, state: State) -> None: ...

    @abstractmethod
    def focus_content(self) -> None: ...

    @abstractmethod
    def apply_filter(self, text: str) -> None: ...

    @property
    def filter_fields(self) -> Sequence[str]:
        """What a filter's terms may name here, for whoever types one."""
        return ()

    def filter_values(self, field: str) -> Iterable[str]:  # noqa: ARG002
        """What there is of such a field now."""
        return ()

    @property
    def of_adapter(self) -> str:
        """The adapter that all of this place is of, which a digit takes along; "" where it is of several."""
        return ""

    @property
    def of_session(self) -> str:
        """The session, likewise."""
        return ""

    @property
    def adapter_names(self) -> Sequence[str]:
        """The adapters that verbs act on here; the first is the one under the reader's eyes."""
        return []

    @property
    def session_ids(self) -> Sequence[str]:
        """The sessions that verbs act on here, likewise."""
        return []

    @property
    def tool_rows(self) -> Sequence[ToolRow]:
        """The tools that verbs act on here, likewise."""
        return []

    @property
    def approval_ids(self) -> Sequence[str]:
        """The calls that wait and that verbs act on here, likewise."""
        return []

    @property
    def context_names(self) -> Sequence[str]:
        """The contexts that verbs act on here, likewise."""
        return []

    @property
    def crumb(self) -> str:
        """What of a main view was opened, for the strip."""
        return ""

    @property
    def spot(self) -> Hashable:
        """What is looked at, to come back to."""
        return None

    def revisit(self, spot: Hashable, state: State) -> None:
        """Look at it again."""

    def tick(self) -> None:
        """A second has gone by."""

    def set_filter(self, text: str) -> None:
        self.filter_text = text.strip()
        self.apply_filter(self.filter_text)

    def _filter_parts(self) -> Sequence[Part]:
        if self.filter_text:
            return [Part("   "), Part(f"/{self.filter_text}", Tone.WARN, "deck.filter")]
        if self.lifted_filter:
            return [Part("   "), Part(f"/{self.lifted_filter} (off)", Tone.DIM, "deck.filter-toggle")]
        return []


def titled(title: str) -> list[Part]:
    return [Part(f" {title}", Tone.STRONG)]


def toggle_words(**toggles: object) -> list[Part]:
    """`follow:on · wrap:off`: states in words, as they must not depend on colour."""
    parts: list[Part] = []
    for name, value in toggles.items():
        word = {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
        parts.append(Part(f"  {name}:", Tone.DIM))
        parts.append(Part(word, Tone.DIM if value is False else Tone.PLAIN))
    return parts
