"""A small MCP client over streamable HTTP, of both eras. Servers may ask it what it was told to answer."""
