"""What of an agent's own notes in a chat history was said to anybody.

Agents that call functions write each call and each result as a message of its own. Two others write both into ordinary messages:
`ReActAgent` all of its reasoning into the one message of its answer, with what tools returned in the middle, and `CodeActAgent`
code into its own messages and what came of it into messages of the user. None of that is anybody's words.
"""

import re
from typing import Final

_REASONS: Final = re.compile(r"\s*Thought:")
_ANSWER: Final = re.compile(r"^Answer:", re.MULTILINE)
_ACTION: Final = re.compile(r"^Action:", re.MULTILINE)
_RESULT: Final = "Result of executing the code given:"


def said_in(role: str, text: str) -> str:
    """Return what was said in the text of a message; empty if it is an agent's note to itself.

    Args:
        role: Whose message. Only an assistant's can be reasoning: a user may write such words.
        text: The whole of it.
    """
    if role == "user":
        return "" if text.partition("\n\n")[0] == _RESULT else text
    return _answered(_without_code(text)).strip() if role == "assistant" else text


def _without_code(text: str) -> str:
    """Return a text without the code that `CodeActAgent` is to run."""
    words, *marked = text.split("<execute>")
    for part in marked:
        _, closed, rest = part.partition("</execute>")
        words += rest if closed else f"<execute>{part}"
    return words


def _answered(text: str) -> str:
    """Return the answer at the end of a ReAct transcript, and any other text as it is.

    The last thought that has an answer begins the last step, and all that tools returned stands before it, whatever is written
    in there. The first "Answer:" behind that thought is the framework's, and one in the answer is part of it. Were there a thought
    with an answer in the answer itself, only its end would be left: rather too little than what a tool returned.
    """
    if not _REASONS.match(text):
        return text
    answers = [(mark.start(), mark.end()) for mark in _ANSWER.finditer(text)]
    if not answers:
        return "" if _ACTION.search(text) else text  # given up before there was an answer, or no reasoning at all
    thought = text.rfind("\nThought:", 0, answers[-1][0])
    return text[next(end for start, end in answers if start > thought) :]
