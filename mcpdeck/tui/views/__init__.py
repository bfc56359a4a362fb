"""The places of the deck: each shows one part of the state. Change nothing; verbs are in `actions`."""
