"""Signing in to a gateway from the terminal. azure.identity, msal and keyring load only when used."""
