"""A log read again from where its stream broke: from which moment, and which lines were already had. Pure."""

from typing import NamedTuple

from mcpdeck.logbook import LogLine


class _Moment(NamedTuple):
    """The last moment of an instance's log, and its lines of that moment."""

    stamp: str
    texts: frozenset[str]


class Seen:
    """Without stamps nobody can know, so every such line counts as new."""

    def __init__(self) -> None:
        self._last: dict[str, _Moment] = {}  # by instance
        self._had: dict[str, _Moment] = {}  # what was seen when the stream broke

    @property
    def since(self) -> str | None:
        """From where to read again: no instance's last moment is before it. None where nothing was seen."""
        return min((moment.stamp for moment in self._last.values()), default=None)

    def broke(self) -> None:
        """What comes from here on may have come before."""
        self._had = dict(self._last)

    def is_new(self, line: LogLine) -> bool:
        """Whether it was not here before the stream broke. It is remembered."""
        if not line.stamp:
            return True
        had = self._had.get(line.instance)
        if had and (line.stamp < had.stamp or (line.stamp == had.stamp and line.text in had.texts)):
            return False
        last = self._last.get(line.instance)
        texts = last.texts if last and last.stamp == line.stamp else frozenset()
        self._last[line.instance] = _Moment(line.stamp, texts | {line.text})
        return True
