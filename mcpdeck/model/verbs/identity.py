"""Who the reader is at the gateway. Data only."""

from typing import Final

from mcpdeck.model.commands import Command

COMMANDS: Final = (
    Command(
        id="identity.login",
        title="Sign in",
        area="identity",
        keys=("L",),
        words=("login",),
        usage="[device-code]",
        help="Here, without leaving; again gives up.",
    ),
    Command(
        id="identity.logout",
        title="Sign out",
        area="identity",
        words=("logout",),
        help="Forget what signing in left here.",
    ),
    Command(
        id="identity.whoami",
        title="Who am I",
        area="identity",
        words=("whoami",),
        help="Your roles, and why a verb is grey.",
    ),
    Command(
        id="identity.copy-code",
        title="Copy the code",
        area="identity",
        words=("code",),
        help="The device code, while signing in.",
    ),
)
