"""What may be wrong between this terminal and an adapter, one thing after the other. Mends nothing."""
