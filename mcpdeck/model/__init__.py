"""What the deck knows and decides: state, filters, columns, commands. Draws nothing, opens nothing, has no clock."""
