"""Widgets that draw lines themselves, however many there are. Know nothing of adapters or of a gateway."""
