"""What the reader decided once: contexts, settings, and where all of it lies. Talks to no gateway."""
