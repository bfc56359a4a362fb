"""The deck: what is on the screen, and what a key does. What it decides is in `mcpdeck.model`."""

import os

# Textual draws at most so often; it reads this once, when it loads. At its own 60 a key that comes soon after another
# waits for up to 33 ms: longer than all that is then done for it.
os.environ.setdefault("TEXTUAL_FPS", "240")
