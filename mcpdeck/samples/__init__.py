"""Three small MCP servers and their visitors, for `mcpdeck demo`. The servers need nothing but Python."""
