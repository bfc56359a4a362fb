"""The gateways that the reader knows by name, and which of them is meant. Signs nobody in and calls nobody."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from mcpdeck.config.lines import read_yaml
from mcpdeck.config.running import Running
from mcpdeck.errors import Misconfigured
from mcpdeck.meant import meant

LOCAL: Final = "local"
DEMO: Final = "demo"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
BUILT_IN: Final = (LOCAL, DEMO)  # the gateways of `mcpdeck up` and `mcpdeck demo`, where they run
CONTEXT_VARIABLE: Final = "MCPDECK_CONTEXT"
URL_VARIABLE: Final = "MCPDECK_URL"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_HEAD: Final = "# Kept by `mcpdeck contexts`. You may edit it; comments are lost when a command writes.\n"


class Context(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One gateway. ca_file: one more authority to trust. read_only: nothing is changed through it. protected: deleting
    asks for the name. is_forwarded: its port leads into a cluster, whose gateway may have a public URL besides."""

    name: str
    url: str
    ca_file: str = ""
    read_only: bool = False
    protected: bool = False
    is_forwarded: bool = msgspec.field(default=False, name="forwarded")


class _Saved(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A context in the file, where its name is its key."""

    url: str
    ca_file: str = ""
    read_only: bool = False
    protected: bool = False
    is_forwarded: bool = msgspec.field(default=False, name="forwarded")


class Contexts:
    """The contexts file, and the gateways of this machine besides."""

    def __init__(self, path: Path, running: Running) -> None:
        self._path = path
        self._running = running

    def all(self) -> list[Context]:
        """By name, those of this machine first, if they run. Raises Misconfigured."""
        _, saved = self._read()
        here = [Context(name=name, url=url) for name in BUILT_IN if (url := self._running.url_of(name))]
        return [it for it in here if it.name not in saved] + sorted(saved.values(), key=lambda it: it.name)

    def current(self) -> str:
        """The one that is meant when none is named."""
        current, _ = self._read()
        return current or LOCAL

    def find(self, name: str) -> Context:
        """Raises Misconfigured with what there is."""
        _, saved = self._read()
        if name in saved:
            return saved[name]
        if name in BUILT_IN:
            return Context(name=name, url=self._running.url_of(name) or "")
        known = [context.name for context in self.all()]
        advice = meant(name, known) or f"mcpdeck contexts add {name} URL"
        raise Misconfigured(f"there is no context {name!r} (known: {', '.join(known) or 'none'}); {advice}")

    def ca_file(self, name: str) -> str:
        """Empty for a gateway that is known by its URL alone. Raises Misconfigured."""
        _, saved = self._read()
        return saved[name].ca_file if name in saved else ""

    def is_forwarded(self, name: str) -> bool:
        """Whether a port of this machine leads there that `mcpdeck up --cluster` keeps. Raises Misconfigured."""
        _, saved = self._read()
        return name in saved and saved[name].is_forwarded and urlsplit(saved[name].url).hostname in _LOOPBACK

    def chosen(self, *, name: str, url: str, environ: Mapping[str, str]) -> Context:
        """The one that is meant: by flag, else by variable, else the current one. Raises Misconfigured.

        A URL stands for itself, under its host's name, so that its sign-in is found again.
        """
        if not name and not url:
            name, url = environ.get(CONTEXT_VARIABLE, ""), environ.get(URL_VARIABLE, "")
        if url:
            return Context(name=name or urlsplit(checked_url(url)).netloc, url=checked_url(url))
        return self.find(name or self.current())

    def add(self, context: Context, *, use: bool) -> bool:
        """Whether it is new. Raises Misconfigured."""
        checked_name(context.name)
        checked_url(context.url)
        current, saved = self._read()
        is_new = context.name not in saved
        saved[context.name] = context
        self._write(context.name if use or not current else current, saved)
        return is_new

    def use(self, name: str) -> None:
        """Raises Misconfigured."""
        self.find(name)
        _, saved = self._read()
        self._write(name, saved)

    def remove(self, name: str) -> None:
        """Raises Misconfigured."""
        current, saved = self._read()
        if name not in saved:
            self.find(name)  # raises for what is not there at all
            raise Misconfigured(f"{name!r} is built in and can not be removed")
        del saved[name]
        self._write("" if current == name else current, saved)

    def _read(self) -> tuple[str, dict[str, Context]]:
        file = read_yaml(self._path)
        if file is None:
            return "", {}
        file.only(("current", "contexts"))
        current = file.values.get("current") or ""
        if not isinstance(current, str):
            raise file.wrong("current", "must be a context's name")
        contexts = file.section("contexts")
        saved = {}
        for name in contexts.values:
            entry = contexts.section(name).read(_Saved)
            saved[name] = Context(name=name, **{key: getattr(entry, key) for key in _Saved.__struct_fields__})
        return current, saved

    def _write(self, current: str, saved: Mapping[str, Context]) -> None:
        import yaml

        plain = {name: _without_name(context) for name, context in sorted(saved.items())}
        told = ({"current": current} if current else {}) | {"contexts": plain}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replacement = self._path.with_name(self._path.name + ".new")
        replacement.write_text(_HEAD + yaml.safe_dump(told, sort_keys=False, allow_unicode=True), encoding="utf-8")
        replacement.replace(self._path)


def checked_name(name: str) -> str:
    """Raises Misconfigured."""
    if not _NAME.fullmatch(name):
        raise Misconfigured(f"{name!r} is no name for a context: letters, digits and ._- only")
    if name in BUILT_IN:
        raise Misconfigured(f"{name!r} is the gateway of `mcpdeck up` or `demo`; choose another name")
    return name


def checked_url(url: str) -> str:
    """Without a slash at its end. Raises Misconfigured."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misconfigured(f"{url!r} is no gateway's URL, such as https://mcp.example.com")
    if parts.query or parts.fragment or parts.username is not None:
        raise Misconfigured(f"{url!r}: a gateway's URL holds no user, query or fragment")
    return url.rstrip("/")


def _without_name(context: Context) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(context)
    del plain["name"]
    return plain
