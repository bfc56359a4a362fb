"""What every command of the registry does, by what it is about. `performing` puts them together."""
