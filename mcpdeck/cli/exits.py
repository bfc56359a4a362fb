"""How a command ends: exit codes that scripts may rely on, and the sentence or JSON that a failure leaves on stderr."""

import os
from typing import Any, Final

import msgspec

from mcpdeck.auth.errors import AuthError, GatewayAway, SignInNeeded
from mcpdeck.errors import Misconfigured, NoEditor, ProblemError, Unreachable

OK: Final = 0
UNEXPECTED: Final = 1
USAGE: Final = 2  # the words, a file, a setting, or a specification is not right
SIGN_IN: Final = 3
UNREACHABLE: Final = 4  # trying again may help
TOOL: Final = 5  # the tool said isError, or there is no such tool
NOT_FOUND: Final = 6
FORBIDDEN: Final = 7
CONFLICT: Final = 8  # the name is taken, or somebody changed it meanwhile
PARTIAL: Final = 9  # of several, some failed
WAITED: Final = 10  # --wait: the time is over, or it came to nothing
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

_OF_STATUS: Final = {
    400: (USAGE, ""),
    401: (SIGN_IN, "mcpdeck login"),
    403: (FORBIDDEN, "mcpdeck whoami says what you may do"),
    404: (NOT_FOUND, ""),
    409: (CONFLICT, ""),
    412: (CONFLICT, "look at it again, then try again if you still want to"),
    413: (USAGE, ""),
    429: (UNREACHABLE, "wait a moment"),
    502: (UNREACHABLE, ""),
    503: (UNREACHABLE, ""),
    504: (UNREACHABLE, ""),
}


_AWAY: Final = "does it run? mcpdeck up starts one here; mcpdeck contexts list shows those you know"


class Failure(Exception):
    """A command's end that is not success. hint: what to do, without a full stop. name: stable, for programs."""

    def __init__(
        self, code: int, sentence: str, *, hint: str = "", name: str = "", status: int = 0, request_id: str = ""
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.hint = hint
        self.name = name or _NAMES.get(code, "unexpected")
        self.status = status
        self.request_id = request_id

    def text(self) -> str:
        return f"mcpdeck: {self.sentence}" + (f"\n  {self.hint}" if self.hint else "")

    def json(self) -> str:
        """One line, whatever the sentence holds."""
        told: dict[str, Any] = {"code": self.name, "message": self.sentence}
        more = {"status": self.status, "request_id": self.request_id, "hint": self.hint}
        return msgspec.json.encode({"error": told | {key: value for key, value in more.items() if value}}).decode()


def failure_of(error: Exception) -> Failure | None:
    """What a known error means for a command; None for one that nobody foresaw."""
    match error:
        case Failure():
            return error
        case ProblemError():
            code, hint = _OF_STATUS.get(error.problem.status, (UNEXPECTED, ""))
            return Failure(
                code,
                str(error),
                hint=hint,
                name=error.problem.code,
                status=error.problem.status,
                request_id=error.request_id,
            )
        case Unreachable():
            return Failure(UNREACHABLE, str(error), hint=_AWAY)
        case AuthError():
            return auth_failure(error)
        case Misconfigured() | NoEditor():
            return Failure(USAGE, str(error))
        case UnicodeEncodeError(object=str() as text):  # a word that was typed in another encoding
            return Failure(USAGE, f"{text!r} is no text: it is not UTF-8")
        case OSError(filename=str() | bytes() as name, strerror=str() as sentence):  # a file of the reader's
            return Failure(USAGE, f"{os.fsdecode(name)}: {sentence}")
        case _:
            return None


def auth_failure(error: AuthError) -> Failure:
    """What an error of signing in means for a command."""
    match error:
        case SignInNeeded():
            return Failure(SIGN_IN, str(error))
        case GatewayAway():
            return Failure(UNREACHABLE, str(error), hint=_AWAY)
        case _:
            return Failure(USAGE, str(error))


_NAMES: Final = {
    USAGE: "usage",
    SIGN_IN: "sign-in",
    UNREACHABLE: "unreachable",
    TOOL: "tool-error",
    NOT_FOUND: "not-found",
    FORBIDDEN: "forbidden",
    CONFLICT: "conflict",
    PARTIAL: "partial-failure",
    WAITED: "not-ready",
    INTERRUPTED: "interrupted",
}
