"""Holding the exchange that something is heard by, until that is over. Opens none, and hears nothing."""

from gateway.bridge.sides import Exchange


class Holding:
    def __init__(self) -> None:
        self.exchange: Exchange | None = None
        self.is_over = False

    def keep(self, exchange: Exchange) -> None:
        """It may be over already: before the call that opened it returned."""
        if not self.is_over:
            self.exchange = exchange

    def close(self) -> None:
        self.is_over = True
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.close()
