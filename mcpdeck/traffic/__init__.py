"""Watched and recorded MCP traffic in the terminal's hands: filtered, kept, exported, played again. Pure."""
