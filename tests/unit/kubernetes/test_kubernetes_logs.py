"""Lines of a pod's log as the kubelet gives them."""

from datetime import UTC, datetime

from gateway.backends.kubernetes.logs import _line


def test_a_line_has_the_time_that_the_runtime_gave_it() -> None:
    line = _line(b"2026-11-24T23:11:34.123456789Z it rains\r")
    assert line.at == datetime(2026, 11, 24, 23, 11, 34, 123456, tzinfo=UTC)
    assert line.text == "it rains"
    assert line.position == (0, int(datetime(2026, 11, 24, 23, 11, 34, tzinfo=UTC).timestamp()) * 10**9 + 123456789)


def test_times_of_any_length_stay_in_order() -> None:
    stamps = [b"2026-11-24T23:11:34Z a", b"2026-11-24T23:11:34.5Z b", b"2026-11-24T23:11:34.500000001Z c"]
    positions = [_line(each).position for each in stamps]
    assert positions == sorted(set(positions))


def test_an_empty_line_and_what_is_no_line_of_the_runtime_pass() -> None:
    assert _line(b"2026-11-24T23:11:34.1Z ").text == ""
    assert _line(b"unable to retrieve container logs").text == "unable to retrieve container logs"
    assert _line(b"2026-11-24T23:11:34.1Z \xff").text == "\ufffd"
