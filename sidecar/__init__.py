"""Serves one stdio MCP server as streamable HTTP: a process on one side, a port on the other, bytes between."""
