"""The word that was meant, by one that is not known. Knows no words itself."""

import difflib
from collections.abc import Iterable


def meant(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """`did you mean …?`; empty where nothing is near. likeness: from 0, which is none, to 1."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=likeness)
    return f"did you mean {near[0]}?" if near else ""
