"""Several processes on one port: who starts them, and what they tell each other."""
