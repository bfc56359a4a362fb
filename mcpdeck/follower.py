"""`python -m mcpdeck.follower MODULE …`: a module of this Python, which ends when who started it is gone.

stdin is a pipe whose other end only that one holds: its end says so however that one ended, on every platform. The
module is told by SIGTERM, as by anybody who stops it. Knows nothing of what it does.
"""

import contextlib
import os
import runpy
import signal
import sys
import threading


def main() -> None:
    threading.Thread(target=_follow, name="until who started this is gone", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _follow() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):  # nobody writes
            pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
