"""What can be done with the gateways that the reader knows by name. Data only."""

from typing import Final

from mcpdeck.model.commands import Command, Need, Takes, View

_HERE: Final = (View.CONTEXTS,)
_ONE: Final = frozenset({Need.CONTEXT})

COMMANDS: Final = (
    Command(
        id="context.switch",
        title="Switch",
        area="context",
        keys=("enter",),
        views=_HERE,
        words=("context", "ctx"),
        usage="NAME",
        takes=Takes.CONTEXT,
        footer=1,
        help="Look at this gateway.",
    ),
    Command(
        id="context.add",
        title="Add",
        area="context",
        keys=("n",),
        views=_HERE,
        footer=2,
        help="Name another gateway.",
    ),
    Command(
        id="context.edit",
        title="Edit",
        area="context",
        keys=("e",),
        views=_HERE,
        footer=3,
        needs=_ONE,
        help="URL, authority, protected, read-only.",
    ),
    Command(
        id="context.use",
        title="Make usual",
        area="context",
        keys=("u",),
        views=_HERE,
        words=("use",),
        usage="NAME",
        takes=Takes.CONTEXT,
        footer=4,
        needs=_ONE,
        help="Mean it when none is named.",
    ),
    Command(
        id="context.doctor",
        title="Doctor",
        area="context",
        keys=("T",),
        views=_HERE,
        words=("doctor",),
        usage="NAME",
        takes=Takes.CONTEXT,
        footer=5,
        help="What is wrong on the way to it, if any.",
    ),
    Command(
        id="context.remove",
        title="Forget",
        area="context",
        keys=("ctrl+d",),
        views=_HERE,
        words=("forget",),
        usage="NAME",
        takes=Takes.CONTEXT,
        footer=6,
        needs=_ONE,
        help="Its name and URL; the gateway stays.",
    ),
    Command(
        id="doctor.again",
        title="Examine again",
        area="context",
        keys=("enter",),
        views=(View.DOCTOR,),
        footer=1,
        help="The same gateway, from the beginning.",
    ),
    Command(
        id="doctor.copy",
        title="Copy",
        area="context",
        keys=("c",),
        views=(View.DOCTOR,),
        footer=2,
        help="All that was found, to the clipboard.",
    ),
)
