"""An authorization server in front of an issuer that lacks what MCP clients need: registration, or `resource`."""
