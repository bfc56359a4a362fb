"""What a server asks a client's model, as lines, and an answer that a person wrote. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from mcpdeck.model.plain import one_line
from mcpdeck.model.runs import described, text_of
from mcpdeck.model.words import Cell, Tone


def conversation(params: Mapping[str, Any]) -> Iterator[list[Cell]]:
    if isinstance(system := params.get("systemPrompt"), str) and system:
        yield [Cell("system:", Tone.ACCENT)]
        yield from ([Cell(line)] for line in system.splitlines())
    for message in params.get("messages") or []:
        if isinstance(message, dict):
            yield [Cell(f"{one_line(str(message.get('role')))}:", Tone.ACCENT)]
            content = message.get("content")
            for block in content if isinstance(content, list) else [content]:
                if isinstance(block, dict):
                    text = text_of(block)
                    yield from ([Cell(line)] for line in (described(block) if text is None else text).splitlines())
    yield [Cell(wish(params), Tone.DIM)]


def wish(params: Mapping[str, Any]) -> str:
    """`at most 200 tokens, temperature 0.2, rather claude-3`."""
    preferences = params.get("modelPreferences")
    hints = preferences.get("hints") if isinstance(preferences, dict) else None
    names = [str(each.get("name")) for each in hints or [] if isinstance(each, dict) and each.get("name")]
    told = [f"at most {params['maxTokens']} tokens"] if "maxTokens" in params else []
    told += [f"temperature {params['temperature']}"] if "temperature" in params else []
    told += [f"rather {', '.join(names)}"] if names else []
    return one_line(", ".join(told))


def written(text: str, model: str) -> dict[str, Any]:
    """The result of sampling/createMessage."""
    return {"role": "assistant", "content": {"type": "text", "text": text}, "model": model, "stopReason": "endTurn"}
