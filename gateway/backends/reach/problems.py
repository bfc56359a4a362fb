"""Why an instance can't start, as its status says it."""


class CannotStart(Exception):
    """reason: one word for programs, as Kubernetes has them. The text is for people: what is missing, what to do."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason, self.sentence = reason, sentence
