"""How fast the deck is on a terminal: `uv run python tests/bench/deck_bench.py [start keys logs filter idle]`.

The real program on a pseudo-terminal, its gateway a fake one on a thread. Judges nothing: figures drift with the machine,
so the load is told beside them. DECK_BENCH_LOG_SECONDS=600 is the ten minutes of lines.
"""

import asyncio
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from mcpdeck.logbook import Logbook, parse_line  # noqa: E402  (only found with the line above)
from tests.support import scenes  # noqa: E402
from tests.support.fake_gateway import NOW, FakeGateway, Scene  # noqa: E402

SIZE = (120, 40)
STARTS = 9
KEYS = 200
ROWS = 10_000
LINES_A_SECOND = 5_000
LOG_SECONDS = float(os.environ.get("DECK_BENCH_LOG_SECONDS", "20"))
IDLE_SECONDS = 20.0


class Pty:
    """A program on a terminal of its own, read raw: drawing what it writes would cost more than it does."""

    def __init__(self, url: str, home: Path) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
        folders = {name: str(home / name) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            **folders,
        }
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mcpdeck", "--gateway", url, "tui"],
            stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=environ, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.raw = b""

    def until(self, text: bytes, seconds: float = 30.0) -> float:
        """Seconds from the start until these bytes have come."""
        deadline = time.perf_counter() + seconds
        while text not in self.raw:
            if not self.pump(deadline - time.perf_counter()):
                raise TimeoutError(f"{text!r} never came; the last bytes are {self.raw[-400:]!r}")
        return time.perf_counter() - self.began

    def pump(self, seconds: float) -> bytes:
        """What comes next; empty if nothing does."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, seconds))
        data = os.read(self._master, 1 << 20) if ready else b""
        self.raw = (self.raw + data)[-400_000:]
        return data

    def settle(self, quiet: float = 0.3) -> None:
        while self.pump(quiet):
            pass

    def write(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


class ServedGateway:
    """The fake gateway on a loop of its own."""

    def __init__(self, gateway: FakeGateway, loop: asyncio.AbstractEventLoop) -> None:
        self.gateway = gateway
        self.call = loop.call_soon_threadsafe


@contextmanager
def served(scene: Scene) -> Iterator[ServedGateway]:
    loop = asyncio.new_event_loop()
    gateway = FakeGateway(scene)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(gateway.start(), loop).result()
    try:
        yield ServedGateway(gateway, loop)
    finally:
        asyncio.run_coroutine_threadsafe(gateway.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def told(name: str, values: list[float], *, unit: str = "ms", aim: str) -> None:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    print(f"{name:<44} p50 {statistics.median(ordered):7.1f} {unit}   p95 {p95:7.1f} {unit}   aim {aim}", flush=True)


def start(home: Path) -> None:
    with served(scenes.team()) as it:
        first = Pty(it.gateway.url, home)  # fills the cache
        first.until(b"live")
        first.write(b"\x11")
        first.process.wait(10)
        cached, fresh, spent = [], [], []
        for _ in range(STARTS):
            deck = Pty(it.gateway.url, home)
            cached.append(deck.until(b"weather") * 1000)
            spent.append(sum(psutil.Process(deck.process.pid).cpu_times()[:2]) * 1000)
            fresh.append(deck.until(b"live") * 1000)
            deck.end()
    told("first frame, with rows of the cache", cached, aim="p50 300")
    told("  of which CPU, the interpreter included", spent, aim="none")
    told("fresh rows", fresh, aim="p50 700")


def keys(home: Path) -> None:
    scene = scenes.team()
    for number in range(ROWS - len(scene.sessions)):
        made = scenes.session(1000 + number, "weather", f"weather-{number % 3}")
        scene.sessions[made.id] = made
    with served(scene) as it:
        deck = Pty(it.gateway.url, home)
        deck.until(b"live")
        deck.write(b"3")
        deck.until(b"10,000")
        deck.settle()
        for name, key in (("down", b"j"), ("page down", b"\x1b[6~")):
            waits = []
            process = psutil.Process(deck.process.pid)
            spent = sum(process.cpu_times()[:2])
            for _ in range(KEYS):
                began = time.perf_counter()
                deck.write(key)
                if deck.pump(2.0):
                    waits.append((time.perf_counter() - began) * 1000)
                deck.settle(0.02)
            told(f"{name} in {ROWS:,} rows, to the first byte", waits, aim="p95 15")
            cpu = (sum(process.cpu_times()[:2]) - spent) / KEYS * 1000
            print(f"  of which CPU, all that a key brings about: {cpu:.1f} ms", flush=True)
        deck.end()


def logs(home: Path) -> None:
    scene = scenes.team()
    scene.logs["weather"] = []
    with served(scene) as it:
        deck = Pty(it.gateway.url, home)
        deck.until(b"live")
        deck.write(b":logs weather\r")
        deck.until(b"weather log") if b"weather log" in deck.raw else deck.settle(1.0)
        process = psutil.Process(deck.process.pid)
        flood = threading.Thread(target=_flood, args=(it,), daemon=True)
        memory = [process.memory_info().rss]
        cpu = sum(process.cpu_times()[:2])
        began = time.perf_counter()
        flood.start()
        while flood.is_alive():
            deck.pump(0.2)
            memory.append(process.memory_info().rss)
        seconds = time.perf_counter() - began
        last = f"line {int(LOG_SECONDS * LINES_A_SECOND) - 1:08}".encode()
        deck.until(last)
        lag = time.perf_counter() - began - seconds
        share = (sum(process.cpu_times()[:2]) - cpu) / seconds * 100
        print(
            f"{LINES_A_SECOND:,} log lines a second for {seconds:.0f} s{'':<14} last line {lag * 1000:5.0f} ms behind"
            f"   CPU {share:.0f} %   memory {memory[0] >> 20} to {max(memory) >> 20} MiB",
            flush=True,
        )
        deck.end()


def _flood(it: ServedGateway) -> None:
    """Blocks of a twentieth of a second, at their time."""
    block = LINES_A_SECOND // 20
    began = time.perf_counter()
    for number in range(int(LOG_SECONDS * 20)):
        first = number * block
        lines = [
            f"[weather-{n % 3}] {NOW:%Y-%m-%dT%H:%M:%S}.{n % 1000:03}Z INFO line {n:08} {'x' * 80}"
            for n in range(first, first + block)
        ]
        it.call(it.gateway.write_log, "weather", *lines)
        time.sleep(max(0.0, began + (number + 1) / 20 - time.perf_counter()))


def filtered(_home: Path) -> None:
    book = Logbook(capacity=200_000)
    book.extend(
        parse_line(f"[weather-{n % 3}] 2026-01-02T03:04:05Z INFO line {n:08} {'x' * 80}") for n in range(100_000)
    )
    for name, wanted in (("substring", "00099"), ("regular expression", r"line \d+99 ")):
        times = []
        for _ in range(7):
            began = time.perf_counter()
            book.look_for(wanted, highlight_only=False)
            times.append((time.perf_counter() - began) * 1000)
        told(f"100,000 lines filtered by a {name}", times, aim="p50 100" if name == "substring" else "none")


def idle(home: Path) -> None:
    with served(scenes.team()) as it:
        deck = Pty(it.gateway.url, home)
        deck.until(b"live")
        deck.settle(2.0)
        process = psutil.Process(deck.process.pid)
        cpu = sum(process.cpu_times()[:2])
        written, began = 0, time.perf_counter()
        while (left := began + IDLE_SECONDS - time.perf_counter()) > 0:
            written += len(deck.pump(left))
        share = (sum(process.cpu_times()[:2]) - cpu) / IDLE_SECONDS * 100
        print(
            f"at rest for {IDLE_SECONDS:.0f} s{'':<28} CPU {share:.2f} %   {written} bytes written   aim 0.5 %",
            flush=True,
        )
        deck.end()


PARTS: dict[str, Callable[[Path], None]] = {
    "start": start, "keys": keys, "logs": logs, "filter": filtered, "idle": idle,
}  # fmt: skip


def main() -> None:
    print(f"load {', '.join(f'{value:.1f}' for value in os.getloadavg())} on {os.cpu_count()} cores", flush=True)
    for name in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](Path(folder))


if __name__ == "__main__":
    main()
