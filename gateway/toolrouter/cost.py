"""What a tool's definition costs the model that reads it: an estimate, stated, the same for every model.

A token per four bytes of compact JSON over what clients hand to models (name, description, input schema). Tokenizers
differ by a quarter either way, and so does this; it is for comparing tools and for budgets, not for bills.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

BYTES_PER_TOKEN: Final = 4
READ_BY_MODELS: Final = ("name", "description", "inputSchema")


def tokens(definition: Mapping[str, Any]) -> int:
    read = {field: definition[field] for field in READ_BY_MODELS if field in definition}
    return -(-len(msgspec.json.encode(read)) // BYTES_PER_TOKEN)
