"""Renders prompts: instructions that never change first, so that providers can cache them, then the data.

What somebody said is data. It stands in JSON strings, one object per line, and nothing in it can end the string, the line or
the message: see `_escaped`.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from ..errors import ReplyError
from ..models import Fact, Memory, Turn
from ..ports import ChatMessage
from . import decision_replies, fact_replies, question_replies

EXTRACT: Final = "extract-1"
DECIDE: Final = "decide-1"
REPAIR: Final = "repair-1"
RERANK: Final = "rerank-1"
REWRITE: Final = "rewrite-1"

ECHO_LIMIT: Final = 2_000
"""Characters of an unreadable reply that the model is shown again when it is asked to repair it."""

CANDIDATE_LIMIT: Final = 1_000
"""Characters of a memory that a model is shown when it puts candidates in order."""

SAID_LIMIT: Final = 2_000
"""Characters of a message that a model is shown when it rewrites a question."""

QUESTION_LIMIT: Final = 4_000

# Besides what JSON escapes anyway: line ends that are not \n; characters that show nothing or turn the direction of text round
# (joiners excepted, which scripts and emoji need); and what chat templates, Markdown and thinking models take for markup
_HIDDEN: Final = re.compile(
    r"[\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
    r"|<(?=[|/!<\uff5c_a-zA-Z])|(?<=[|\uff5c])>|\[(?=/?[A-Z_]+\])|`(?=``)|(?<=``)`|(?<=`)`(?=`)|#(?=##)|(?<=##)#|(?<=#)#(?=#)"
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request ready to be sent, whose reply has a known shape.

    Attributes:
        id: Name, version and content hash of the instructions: `extract-1:3fa2b1c05d6e`. It belongs into provenance and cache keys.
        messages: Instructions first, then the data.
        schema: JSON schema of the reply, for structured output; the same for every prompt of this id.
        schema_name: What the schema is called.
    """

    id: str
    messages: tuple[ChatMessage, ...]
    schema: Mapping[str, Any]
    schema_name: str


def extraction(turns: Sequence[Turn]) -> Prompt:
    """Return the prompt that asks for the facts in messages. All must be of one scope; `fact_replies.read_facts` reads the reply."""
    lines = [line_of(_turn(number, turn)) for number, turn in enumerate(turns, 1)]
    return _prompt(EXTRACT, lines, fact_replies.SCHEMA, fact_replies.SCHEMA_NAME)


def deciding(new: Sequence[Fact], memories: Sequence[Memory]) -> Prompt:
    """Return the prompt that asks what to do about new facts. `decision_replies.read_decisions` reads the reply.

    The memories are shown by number, never by id.
    """
    lines = [line_of(_memory(number, memory)) for number, memory in enumerate(memories, 1)]
    lines += [line_of({"fact": number, "text": fact.text}) for number, fact in enumerate(new, 1)]
    lines.append(f"Decide about {len(new)} fact{'s' if len(new) > 1 else ''}.")  # small models go on where the examples stopped
    return _prompt(DECIDE, lines, decision_replies.SCHEMA, decision_replies.SCHEMA_NAME)


def ordering(question: str, memories: Sequence[Memory]) -> Prompt:
    """Return the prompt that asks in which order memories answer a question. `question_replies.read_order` reads the reply.

    The memories are shown by number, never by id, long ones in part.
    """
    lines = [line_of({"question": question[:QUESTION_LIMIT]})]
    lines += [line_of(_candidate(number, memory)) for number, memory in enumerate(memories, 1)]
    return _prompt(RERANK, lines, question_replies.ORDER_SCHEMA, question_replies.ORDER_SCHEMA_NAME)


def rewriting(question: str, history: Sequence[str]) -> Prompt:
    """Return the prompt that asks for a question as it reads by itself. `question_replies.read_rewritten` reads the reply."""
    lines = [line_of({"message": number, "text": text[:SAID_LIMIT]}) for number, text in enumerate(history, 1)]
    lines.append(line_of({"question": question[:QUESTION_LIMIT]}))
    return _prompt(REWRITE, lines, question_replies.REWRITE_SCHEMA, question_replies.REWRITE_SCHEMA_NAME)


def repair_request(prompt: Prompt, reply: str, error: ReplyError) -> Prompt:
    """Return the prompt that shows a model its reply and what was wrong with it. It is meant to be used once.

    The instructions and the data stay in front, so that what a provider cached serves again.
    """
    asked = instructions(REPAIR).replace("{problem}", str(error))
    turns = (ChatMessage("assistant", reply[:ECHO_LIMIT] or "(empty)"), ChatMessage("user", asked))
    return Prompt(prompt_id(prompt.id.partition(":")[0], REPAIR), prompt.messages + turns, prompt.schema, prompt.schema_name)


@cache
def instructions(name: str) -> str:
    """Return the text of a prompt file."""
    return (resources.files(__package__) / "prompts" / f"{name}.md").read_text(encoding="utf-8").strip()


@cache
def prompt_id(*names: str) -> str:
    """Return the id of a prompt made of these files: whoever edits one gets another id, version or not."""
    content = "\n".join(instructions(name) for name in names)
    return f"{'+'.join(names)}:{hashlib.sha256(content.encode()).hexdigest()[:12]}"


@cache
def _prefix(name: str) -> tuple[ChatMessage, ...]:
    """Return the messages that never change: the instructions, and each example as a request and its answer.

    As turns of a conversation: a small model that gets its examples in one text goes on with them instead of the data.
    """
    told, *examples = instructions(name).split("EXAMPLE INPUT\n")
    messages = [ChatMessage("system", told.strip())]
    for example in examples:
        asked, _, answered = example.partition("EXAMPLE OUTPUT\n")
        messages += [ChatMessage("user", asked.strip()), ChatMessage("assistant", answered.strip())]
    return tuple(messages)


def _prompt(name: str, lines: Sequence[str], schema: Mapping[str, Any], schema_name: str) -> Prompt:
    return Prompt(prompt_id(name), (*_prefix(name), ChatMessage("user", "\n".join(lines))), schema, schema_name)


def _turn(number: int, turn: Turn) -> dict[str, Any]:
    said = {
        "message": number,
        "role": turn.role or "user",
        "name": turn.name,
        "time": turn.said_at.isoformat(timespec="seconds") if turn.said_at else None,
        "text": _dated(turn),
    }
    return {key: value for key, value in said.items() if value}


def _dated(turn: Turn) -> str:
    """Return what was said with the meaning of each relative date behind it: small models copy it, and resolve nothing themselves."""
    text = turn.text
    for span in sorted(turn.dates, key=lambda span: -span.end):
        text = f"{text[: span.end]} ({span.iso}){text[span.end :]}" if span.iso not in span.phrase else text
    return text


def _memory(number: int, memory: Memory) -> dict[str, Any]:
    since = memory.valid_from or memory.occurred_at
    told = {"memory": number, "text": memory.text, "since": since.date().isoformat() if since else None}
    return {key: value for key, value in told.items() if value}


def _candidate(number: int, memory: Memory) -> dict[str, Any]:
    said = memory.occurred_at if memory.occurred_at != memory.created_at else None  # the time of adding says nothing
    told = {
        "candidate": number, "name": memory.name, "time": said.date().isoformat() if said else None, "text": memory.text[:CANDIDATE_LIMIT],
    }  # fmt: skip
    return {key: value for key, value in told.items() if value}


def line_of(values: Mapping[str, Any]) -> str:
    """Return data as one line of JSON that nothing in it can end, nor what stands around it."""
    return _HIDDEN.sub(_escaped, json.dumps(values, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    r"""Return a character as JSON's `\uXXXX`, which a JSON reader turns back.

    Only inside strings can these characters stand: the keys and marks of the lines themselves have none.
    """
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[i : i + 2]):04x}" for i in range(0, len(units), 2))
