"""What can go wrong between the terminal and a gateway. Every sentence speaks to its reader."""

import os

from gateway.wire.problems import Problem


class ProblemError(Exception):
    """The gateway answered with a problem (RFC 9457). Its own sentence, and the fields it names, are the text."""

    def __init__(self, problem: Problem, *, request_id: str = "", retry_after: float | None = None) -> None:
        super().__init__(_sentence(problem))
        self.problem = problem
        self.request_id = request_id
        self.retry_after = retry_after  # seconds


class Unreachable(Exception):
    """No gateway answers there: no connection, no answer in time, or an answer that is no gateway's."""


class Misconfigured(Exception):
    """A file or variable of the reader's does not hold what it should. The sentence names it, and the line."""


class NoEditor(Exception):
    """No editor could be started. The sentence names what was tried."""


def plainly(error: BaseException) -> str:
    """What the operating system said, if it was that; libraries wrap it in words and parameters of their own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno and type(cause).__module__ == "builtins":
            return os.strerror(cause.errno)  # asyncio says "Connect call failed" in its place
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error)


def _sentence(problem: Problem) -> str:
    """The fields too, but for what the sentence says already."""
    told = problem.detail or problem.title
    left = {
        field: new for field, all_of in problem.errors.items() if (new := [each for each in all_of if each not in told])
    }
    fields = "; ".join(f"{field} {', '.join(sentences)}" for field, sentences in left.items())
    return ": ".join(filter(None, [told, fields]))
