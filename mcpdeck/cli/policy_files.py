"""Policies as files have them: one or more, YAML or JSON, looked at before a gateway sees them."""

from collections.abc import Iterator

from gateway.wire.policies import PolicySpec, problems_of_policy
from mcpdeck.cli.documents import documents_of, made
from mcpdeck.cli.exits import USAGE, Failure


def of_file(name: str) -> Iterator[PolicySpec]:
    """name: `-` is stdin. Raises Failure."""
    documents = documents_of(name)
    if not documents:
        raise Failure(USAGE, f"{name} holds no policy")
    for number, document in enumerate(documents, 1):
        where = name if len(documents) == 1 else f"{name}, document {number}"
        spec = made(document, PolicySpec, where=where, wanted="a policy")
        if errors := problems_of_policy(spec):
            lines = "\n".join(f"  {field}: {', '.join(sentences)}" for field, sentences in errors.items())
            raise Failure(USAGE, f"{where}: {spec.name or 'the policy'} is not right:\n{lines}")
        yield spec
