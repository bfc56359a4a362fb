"""What can go wrong between a person and a token. Every sentence says what to do."""


class AuthError(Exception):
    """Sign-in, or the place for tokens, failed for a reason that its sentence tells."""


class SignInNeeded(AuthError):
    """No token can be had silently: somebody must sign in."""


class NothingPublished(AuthError):
    """The gateway says nothing about signing in: perhaps it needs none."""


class GatewayAway(AuthError):
    """The gateway does not answer: trying again may help."""


class VaultUnavailable(AuthError):
    """The OS keyring is locked, gone or refuses."""
