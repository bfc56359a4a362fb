"""What a tool's definition costs the model that reads it: an estimate, stated, the same for every model.

A token per four bytes of compact JSON over what clients hand to models (name, description, input schema). Tokenizers
differ by a quarter either way, and so does this; it is for comparing tools and for budgets, not for bills.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from gateway.wire.tools import ToolsCost

BUDGET: Final = 20_000  # tokens of a list before a warning; a tenth of a model's usual window
BYTES_PER_TOKEN: Final = 4
READ_BY_MODELS: Final = ("name", "description", "inputSchema")


def tokens(definition: Mapping[str, Any]) -> int:
    read = {field: definition[field] for field in READ_BY_MODELS if field in definition}
    return -(-len(msgspec.json.encode(read)) // BYTES_PER_TOKEN)


def of_list(toolset: str, found: Iterable[int], budget: int) -> ToolsCost:
    """found: each tool's tokens. budget: 0 for no bound."""
    each = list(found)
    total = sum(each)
    warning = ""
    if budget and total > budget:
        place = f"toolset '{toolset}'" if toolset else "/mcp"
        count = "one tool" if len(each) == 1 else f"{len(each)} tools"
        warning = f"the {count} of {place} cost a model about {total} tokens, and {budget} is the budget"
    return ToolsCost(toolset=toolset, tools=len(each), tokens=total, budget=budget, warning=warning)
