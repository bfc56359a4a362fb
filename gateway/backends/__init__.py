"""Where adapters run: on this machine, or in a cluster. Each backend stands alone behind ports.Backend."""
