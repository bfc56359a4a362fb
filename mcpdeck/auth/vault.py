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
    """The OS keyring. Long texts go in parts; a digest in the head tells a whole from a torn one."""

    is_lasting = True

    def read(self, key: str) -> str | None:
        import keyring

        with _keyring_errors():
            head = keyring.get_password(SERVICE, key)
            if head is None:
                return None
            count, _, digest = head.partition(":")
            parts = [keyring.get_password(SERVICE, f"{key}#{number}") for number in range(int(count))]
        text = "".join(part or "" for part in parts)
        return text if _digest(text) == digest else None

    def write(self, key: str, text: str) -> None:
        import keyring

        self.forget(key)
        parts = [text[start : start + PART] for start in range(0, len(text), PART)]
        with _keyring_errors():
            for number, part in enumerate(parts):
                keyring.set_password(SERVICE, f"{key}#{number}", part)
            keyring.set_password(SERVICE, key, f"{len(parts)}:{_digest(text)}")

    def forget(self, key: str) -> None:
        import keyring

        with _keyring_errors():
            head = keyring.get_password(SERVICE, key)
            if head is None:
                return
            keyring.delete_password(SERVICE, key)
            for number in range(int(head.partition(":")[0])):
                if keyring.get_password(SERVICE, f"{key}#{number}") is not None:
                    keyring.delete_password(SERVICE, f"{key}#{number}")


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
