"""A small MCP client over streamable HTTP, of both eras. Declares no capability, so no server asks it anything."""
