"""The deck's verbs as commands. Loads no Textual, and httpx only for what the standard library does not do."""
