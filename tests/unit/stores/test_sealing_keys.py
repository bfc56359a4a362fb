"""The file of sealing keys: made once, private, rotated, and refused with a sentence when it is not what it should be."""

import asyncio
import base64
import shutil
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.core.affinity import Binding, Sealer
from gateway.core.errors import GatewayError
from gateway.stores.keys import keep_keys, load_keys, rotate_keys
from gateway.wire.names import AdapterName, PrincipalId


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sealing.keys"


def test_a_key_is_made_on_first_use_and_stays(path: Path) -> None:
    first = load_keys(path)
    assert [len(key) for key in first] == [32]
    assert load_keys(path) == first
    assert [each.name for each in path.parent.iterdir()] == ["sealing.keys"]


def test_only_its_owner_reads_it(path: Path) -> None:
    load_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_all_that_start_at_once_get_the_same_key(path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: load_keys(path), range(32)))
    assert found == [found[0]] * 32


def test_ids_sealed_before_a_rotation_open_after_it_and_the_new_key_seals(path: Path) -> None:
    adapter, principal, binding = AdapterName("weather"), PrincipalId("ada"), Binding("uid", b"session", 2**40)
    old = Sealer(load_keys(path)).seal(binding, adapter, principal)
    rotated = Sealer(rotate_keys(path))
    assert rotated.open(old, adapter, principal, now=0) == binding
    assert (
        Sealer(load_keys(path)[:1]).open(rotated.seal(binding, adapter, principal), adapter, principal, now=0)
        == binding
    )


def test_a_second_rotation_forgets_the_first_key(path: Path) -> None:
    first = load_keys(path)
    second = rotate_keys(path)
    third = rotate_keys(path)
    assert third[1:] == second[:1]
    assert first[0] not in third
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(b"x" * 31).decode(), "ü" * 44, "?" * 44])
def test_a_file_that_holds_no_keys_is_refused_with_what_to_do(path: Path, text: str) -> None:
    load_keys(path)
    path.write_text(text)
    with pytest.raises(GatewayError, match="restore it, or remove it for a new key"):
        load_keys(path)


@pytest.mark.parametrize("mode", [0o620, 0o604])
def test_keys_that_others_may_read_or_write_are_refused(path: Path, mode: int) -> None:
    load_keys(path)
    path.chmod(mode)
    with pytest.raises(GatewayError, match="chmod 600"):
        load_keys(path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GatewayError, match="can't be read or made: File exists"):
        load_keys(tmp_path / "file" / "keys")


async def test_keys_of_a_mounted_secret_are_read_again_once_it_is_updated(tmp_path: Path) -> None:
    """As a kubelet does it: the whole folder is exchanged at once, behind two links."""
    before, after = tmp_path / "..before", tmp_path / "..after"
    old = load_keys(before / "seal.keys")
    shutil.copytree(before, after)
    new = rotate_keys(after / "seal.keys")
    mounted, data = tmp_path / "seal.keys", tmp_path / "..data"
    data.symlink_to(before.name)
    mounted.symlink_to("..data/seal.keys")
    assert load_keys(mounted) == old
    told: asyncio.Queue[Sequence[bytes]] = asyncio.Queue()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(keep_keys(mounted, told.put_nowait, period=0.01))
        await asyncio.sleep(0)
        (tmp_path / "..next").symlink_to(after.name)
        (tmp_path / "..next").replace(data)
        assert await told.get() == new
        keeping.cancel()
