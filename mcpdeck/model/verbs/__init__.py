"""The verbs of the deck as data, by what they are about. `registry` puts them together."""
