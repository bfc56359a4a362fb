"""Which addresses may be called when a document or a user named the host."""

import pytest

from gateway.core.egress import Reach, reach_of


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "168.63.129.16",
        "100.100.100.200",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:5601:5601",  # Teredo for 169.254.169.254
        "fe80::1%eth0",
        "fd00:ec2::254",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "::ffff:0.0.0.0",
    ],
)
def test_metadata_and_link_local_addresses_are_never_called_in_any_form(address: str) -> None:
    assert reach_of(address) is Reach.FORBIDDEN


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "fd12::1",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",
    ],
)
def test_this_machine_and_its_neighbours_are_private_in_any_form(address: str) -> None:
    assert reach_of(address) is Reach.PRIVATE


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"])
def test_the_internet_is_public(address: str) -> None:
    assert reach_of(address) is Reach.PUBLIC


def test_what_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        reach_of("localhost")
