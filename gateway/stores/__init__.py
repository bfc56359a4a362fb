"""Where desired state and the gateway's own secrets are kept. Decides nothing about either."""
