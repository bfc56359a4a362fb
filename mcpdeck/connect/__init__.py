"""How MCP clients are told of an adapter: their files, their forms, and changing one member of one file."""
