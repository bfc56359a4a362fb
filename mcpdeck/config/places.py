"""Where this platform keeps what the terminal writes. Creates nothing."""

import os
from pathlib import Path

import msgspec
import platformdirs

NAME = "mcpdeck"
ACCOUNTS_VARIABLE = "MCPDECK_ACCOUNTS_FILE"


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Folders; the files in them by name."""

    config: Path
    data: Path
    cache: Path
    accounts: Path | None = None  # another file than the usual one

    @property
    def contexts_file(self) -> Path:
        return self.config / "contexts.yaml"

    @property
    def settings_file(self) -> Path:
        return self.config / "config.yaml"

    @property
    def accounts_file(self) -> Path:
        """Who signed in where; tokens are elsewhere."""
        return self.accounts or self.data / "accounts.json"

    @property
    def gateway(self) -> Path:
        """The state of the gateway that `mcpdeck up` runs."""
        return self.data / "gateway"

    @property
    def running(self) -> Path:
        """A file for each gateway that runs on this machine for this user."""
        return self.data / "running"

    @property
    def names(self) -> Path:
        """Names of adapters by context, for a shell's completion."""
        return self.cache / "names"

    @property
    def logs(self) -> Path:
        """Logs that were saved from the deck."""
        return self.data / "logs"


def places() -> Places:
    """As the platform has it; XDG_CONFIG_HOME and its like are obeyed where that is the custom."""
    return Places(
        config=platformdirs.user_config_path(NAME),
        data=platformdirs.user_data_path(NAME),
        cache=platformdirs.user_cache_path(NAME),
        accounts=Path(file) if (file := os.environ.get(ACCOUNTS_VARIABLE)) else None,
    )
