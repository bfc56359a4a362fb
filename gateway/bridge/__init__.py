"""One era's words in the other's: which message becomes which, as state machines. No socket, process or clock."""
