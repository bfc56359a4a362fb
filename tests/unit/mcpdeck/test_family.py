"""Children of a command: heard when they are ready, and ended whole."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from mcpdeck.family import Child, Family, Stillborn, ended_by_signals
from tests.support.programs import gone

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")

READY = "print('ready at 7', flush=True)"
WAITS = f"import signal; {READY}; signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}\nwhile True: signal.pause()"
PARENT = (
    f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']); {STUBBORN}"
)


def born(family: Family, program: str, log: Path | None = None) -> Child:
    child = Child([sys.executable, "-c", program], log=log)
    family._children.append(child)
    return child


async def test_child_is_heard_and_ended(tmp_path: Path) -> None:
    with Family() as family:
        child = born(family, WAITS)
        assert child.hear(r"ready at (\d)")[1] == "7"
        lives = psutil.Process(child.process.pid)
    assert await gone([lives]) == []
    assert child.process.returncode == -signal.SIGTERM


async def test_child_that_will_not_end_is_killed_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcpdeck.family.GRACE_SECONDS", 0.2)
    with Family() as family:
        child = born(family, PARENT)
        child.hear("ready")
        tree = [psutil.Process(child.process.pid), *psutil.Process(child.process.pid).children()]
        assert len(tree) == 2
    assert await gone(tree) == []


def test_child_that_ends_too_soon_is_told_with_its_last_words(tmp_path: Path) -> None:
    with Family() as family:
        child = born(family, "import sys; print('no luck', file=sys.stderr); sys.exit(3)", tmp_path / "deep" / "log")
        with pytest.raises(Stillborn, match=r"ended with 3\n  no luck"):
            child.hear("ready")


def test_child_that_says_nothing_is_not_waited_for_for_ever() -> None:
    with Family() as family:
        child = born(family, "import signal; signal.pause()")
        with pytest.raises(Stillborn, match="said nothing"):
            child.hear("ready", limit=0.2)


def test_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for word in ("first", "second"):
        with Family() as family:
            child = born(family, f"import sys; print('{word}', file=sys.stderr)", log)
            child.process.wait()
    assert (log.read_text(), (tmp_path / "log.1").read_text()) == ("second\n", "first\n")


def test_end_of_a_child_is_told() -> None:
    ends = []
    with Family() as family:
        child = born(family, READY)
        child.process.wait()
        child._silence.result(10)
        child.on_end(lambda: ends.append(True))
    assert ends == [True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_that_end_a_command_reach_its_with_blocks(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    left = []

    def command() -> None:
        with ended_by_signals():
            try:
                os.kill(os.getpid(), number)
            finally:
                left.append(number)

    with pytest.raises(KeyboardInterrupt):
        command()
    assert left == [number]
    assert signal.getsignal(number) == before


def test_signals_while_ending_do_not_stop_the_ending() -> None:
    with Family() as family:
        child = born(family, WAITS)
        child.hear("ready")
        family._children[0].ask_to_end = lambda: (os.kill(os.getpid(), signal.SIGTERM), Child.ask_to_end(child))  # type: ignore[method-assign, assignment, func-returns-value]
    assert child.process.returncode == -signal.SIGTERM
