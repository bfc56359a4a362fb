"""A small OpenID Connect issuer on this machine, for trying sign-in without a cloud. Never for anything real."""
