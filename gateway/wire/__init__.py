"""The vocabulary that gateway, sidecar and deck share. Importing it costs nothing but msgspec."""
