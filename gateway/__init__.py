"""mcpdeck's gateway: MCP traffic and its management in one process."""
