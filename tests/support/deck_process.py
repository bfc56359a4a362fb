"""The deck as a program, looking at the gateway whose URL it is given: for tests on a real terminal."""

import sys
from pathlib import Path

from mcpdeck.client import GatewayClient
from mcpdeck.config.contexts import Context
from mcpdeck.tui.app import DeckApp
from mcpdeck.tui.surroundings import Opening, Surroundings


def main() -> None:
    url, folder = sys.argv[1:3]
    world = Surroundings(connect=lambda _context: GatewayClient(url), dump_folder=Path(folder))
    DeckApp(world, Opening(context=Context(name="test", url=url))).run()


if __name__ == "__main__":
    main()
