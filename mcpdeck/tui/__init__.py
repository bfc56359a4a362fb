"""The deck: what is on the screen, and what a key does. What it decides is in `mcpdeck.model`."""
