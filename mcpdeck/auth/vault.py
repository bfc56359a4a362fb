"""Where tokens rest: the OS keyring, this process's memory, or a file its owner opted into. Knows no token's meaning.

Never on disk in clear unasked: a keyring backend that only obscures (its own priority says so) counts as none.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from mcpdeck.auth.errors import VaultUnavailable

SERVICE: Final = "mcpdeck"
PART: Final = 1000  # characters; Windows' credential store holds 1,280 in one entry
RECOMMENDED: Final = 1  # keyring's own word for a backend that protects what it holds


class Vault(Protocol):
    """Texts by key. Raises VaultUnavailable."""

    @property
    def is_lasting(self) -> bool:
        """Whether another process finds it again."""

    def read(self, key: str) -> str | None: ...

    def write(self, key: str, text: str) -> None: ...

    def forget(self, key: str) -> None: ...


class MemoryVault:
    is_lasting = False

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def read(self, key: str) -> str | None:
        return self._texts.get(key)

    def write(self, key: str, text: str) -> None:
        self._texts[key] = text

    def forget(self, key: str) -> None:
        self._texts.pop(key, None)


class FileVault:
    """One file, mode 0600, for one key: what `--token-file` asks for."""

    is_lasting = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, key: str) -> str | None:  # noqa: ARG002 - one file, one key
        try:
            if os.name == "posix" and self._path.stat().st_mode & 0o077:
                raise VaultUnavailable(f"{self._path} can be read by others; chmod 600 it, or sign in again")
            return self._path.read_text()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise VaultUnavailable(f"{self._path}: {error.strerror}") from error

    def write(self, key: str, text: str) -> None:  # noqa: ARG002
        replacement = self._path.with_name(self._path.name + ".new")
        try:
            replacement.unlink(missing_ok=True)
            handle = os.open(replacement, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(text)
            replacement.replace(self._path)
        except OSError as error:
            raise VaultUnavailable(f"{self._path}: {error.strerror}") from error

    def forget(self, key: str) -> None:  # noqa: ARG002
        self._path.unlink(missing_ok=True)


class KeyringVault:
    """The OS keyring. Long texts go in parts, and a head that is written last names them: whoever reads meanwhile, in
    another process, finds the old text or the new one, never half of each."""

    is_lasting = True

    def read(self, key: str) -> str | None:
        for _ in range(2):  # the second time when another process replaced the parts under our eyes
            head = self._get(key)
            if head is None:
                return None
            text = "".join(self._get(name) or "" for name in _part_names(key, head))
            if _digest(text) == head.partition(":")[2]:
                return text
        return None

    def write(self, key: str, text: str) -> None:
        import keyring

        old = self._get(key)
        parts = [text[start : start + PART] for start in range(0, len(text), PART)]
        head = f"{len(parts)}:{_digest(text)}"
        if head == old:
            return
        with _keyring_errors():
            for name, part in zip(_part_names(key, head), parts, strict=True):
                keyring.set_password(SERVICE, name, part)
            keyring.set_password(SERVICE, key, head)
        self._delete(_part_names(key, old or ""))

    def forget(self, key: str) -> None:
        head = self._get(key)
        if head is not None:
            self._delete([key, *_part_names(key, head)])

    def _get(self, name: str) -> str | None:
        import keyring

        with _keyring_errors():
            return keyring.get_password(SERVICE, name)

    def _delete(self, names: list[str]) -> None:
        import keyring

        for name in names:
            if self._get(name) is not None:
                with _keyring_errors():
                    keyring.delete_password(SERVICE, name)


_memory = MemoryVault()


def open_vault(token_file: str = "") -> Vault:
    """The best place there is; `token_file` is an opt-in and goes before."""
    if token_file:
        return FileVault(Path(token_file))
    return KeyringVault() if has_keyring() else _memory


def has_keyring() -> bool:
    import keyring

    with _keyring_errors():
        return bool(keyring.get_keyring().priority >= RECOMMENDED)


def _part_names(key: str, head: str) -> list[str]:
    """head: `COUNT:DIGEST`; "" names none."""
    count, _, digest = head.partition(":")
    return [f"{key}#{digest[:12]}.{number}" for number in range(int(count or 0))]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _keyring_errors() -> Iterator[None]:
    from keyring.errors import KeyringError

    try:
        yield
    except KeyringError as error:
        raise VaultUnavailable(
            f"the OS keyring refuses: {str(error) or type(error).__name__}; unlock it, or use --token-file"
        ) from error
