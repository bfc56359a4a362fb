"""What an adapter's process finds in its environment. Nothing of the gateway's own reaches it but the short list below.

The list is what programs need to find themselves, their user, their language, their certificates and the way out;
package runners (uvx, npx) keep their caches under HOME and XDG, and download through the proxy. An operator may name
more (`passed`). Whatever an adapter sets itself wins.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.backends.reach.problems import CannotStart
from gateway.wire.resources import SecretReference

_PASSED = """
    PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TMPDIR
    XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_RUNTIME_DIR
    SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS
    HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
"""
_PASSED_ON_WINDOWS = """
    SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT TEMP TMP USERPROFILE USERNAME HOMEDRIVE HOMEPATH
    APPDATA LOCALAPPDATA PROGRAMDATA PROGRAMFILES PROGRAMFILES(X86) NUMBER_OF_PROCESSORS PROCESSOR_ARCHITECTURE
"""
PASSED: Final = frozenset(_PASSED.split())
PASSED_ON_WINDOWS: Final = frozenset(_PASSED_ON_WINDOWS.split())
LOCALE_PREFIX: Final = "LC_"
SECRET_PREFIX: Final = "MCPDECK_SECRET_"  # noqa: S105 - a variable's name
DEFAULT_PATH: Final = "/usr/local/bin:/usr/bin:/bin"

_SECRET_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")


def scrubbed(environ: Mapping[str, str], passed: Sequence[str] = ()) -> dict[str, str]:
    """The part of the gateway's environment that a child may see."""
    names = PASSED | set(passed) | (PASSED_ON_WINDOWS if sys.platform == "win32" else frozenset())
    kept = {name: value for name, value in environ.items() if name in names or name.startswith(LOCALE_PREFIX)}
    return {"PATH": DEFAULT_PATH} | kept


class Secrets:
    """Named secrets of this machine: a file `secrets/SECRET/KEY` in the data folder, as Kubernetes mounts them, or else
    the variable MCPDECK_SECRET_SECRET_KEY of the gateway. The prefix keeps an adapter from any other variable of it.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder, self._environ = folder, environ

    def value(self, reference: SecretReference) -> str:
        """Read anew each time, so that a restart takes up what changed. Raises CannotStart: SecretMissing."""
        if not (_SECRET_PART.fullmatch(reference.secret) and _SECRET_PART.fullmatch(reference.key)):
            raise CannotStart("SecretMissing", f"{reference.secret}/{reference.key} is not the name of a secret")
        file = self._folder / reference.secret / reference.key
        try:
            return file.read_text().removesuffix("\n")
        except FileNotFoundError:
            pass
        except (OSError, UnicodeDecodeError) as error:
            raise CannotStart("SecretMissing", f"the secret in {file} can't be read: {error}") from error
        variable = variable_of(reference)
        if variable not in self._environ:
            raise CannotStart(
                "SecretMissing",
                f"there is no key {reference.key!r} of secret {reference.secret!r}: write it to {file}, "
                f"or start the gateway with {variable} set",
            )
        return self._environ[variable]

    def values(self, references: Mapping[str, SecretReference]) -> dict[str, str]:
        """By the same names. Raises CannotStart: SecretMissing."""
        return {name: self.value(reference) for name, reference in references.items()}

    async def looked_up(self, references: Mapping[str, SecretReference]) -> dict[str, str]:
        """The same for who also looks elsewhere, and waits there."""
        return self.values(references)


def variable_of(reference: SecretReference) -> str:
    """`github`, `api-token` -> `MCPDECK_SECRET_GITHUB_API_TOKEN`."""
    return SECRET_PREFIX + re.sub(r"[^A-Z0-9]", "_", f"{reference.secret}_{reference.key}".upper())
