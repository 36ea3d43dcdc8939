"""Follow-ups: questions that only make sense after what was said before, such as "and where does she work?".

By rule, unless a language model is to do it. What a follow-up lacks are the names and the subject, and those stand in the last few
messages. They are added to the question; a name takes the place of the "she" that means it, which would be taken for any other "her".
A question that stands by itself is left as it is.
"""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

from ..errors import InvalidInputError
from .arguments import read_text, words_of

LOOKED_BACK: Final = 6
"""Messages of the running conversation that are looked at, the last ones."""

MOST: Final = 8
"""Words that are added at most: more would ask another question."""

SHORT: Final = 2
"""Letters of a word that says nothing of a subject."""

_opens: Final = re.compile(
    r"\s*(and|but|so|then|also|or)\b|\s*(what|how) about\b|\s*(why|when|where|who|how|which|since when)\s*\??\s*$", re.IGNORECASE
).match
_points_back: Final = re.compile(
    r"\b(he|she|it|they|him|her|hers|them|his|their|theirs|its|this|that|these|those|there|then|one|ones|same|other|others|else|too)\b",
    re.IGNORECASE,
).search
_person: Final = re.compile(r"\b(he|she|him|her|hers|his)\b", re.IGNORECASE)
_name: Final = re.compile(r"(?<![.!?:]\s)(?<!^)(?<!\")\b[A-ZÀ-Þ][\w'-]*[^\W\d_](?:\s+[A-ZÀ-Þ][\w'-]*[^\W\d_])*")
_word: Final = re.compile(r"[^\W\d_][\w'-]*")
_SMALL: Final = frozenset(
    """a about again all also am an and any are as ask at be because been but by can could did do does doing done for from get give go
    got had has have having he hello her hers hey hi him his how i i'd i'll i'm i've if in into is isn't it it's its just know last
    let like long me might more much my no not now of off oh ok okay on one or other our out over please really remember say she
    should so some tell than thank thanks that that's the their them then there these they thing things think this those to too up
    us very want was we well were what what's when where which who whom whose why will with would yes you your yours""".split()
)


def in_context(question: str, history: Sequence[str]) -> str:
    """Return the question with what it lacks, from the messages before it; the question itself if it lacks nothing.

    Args:
        question: What is asked now.
        history: The running conversation, oldest message first, without the question.
    """
    if not history or not follows_up(question):
        return question
    known = {word.lower() for word in _word.findall(question)}
    latest = history[: -LOOKED_BACK - 1 : -1]  # what was spoken of last is what is meant
    if _person.search(question):
        for message in latest:
            if wanted := _missing(_names(message), known):
                return _person.sub(lambda pronoun: wanted, question, count=1)
    for message in latest:
        if wanted := _missing(_subject(message), known):
            return f"{question} ({wanted})"
    return question


def _missing(subject: Sequence[str], known: Container[str]) -> str:
    return " ".join([word for word in subject if word.lower() not in known][:MOST])


def read_history(value: Any, limit: int) -> list[str]:
    """Return the texts of messages: strings, or mappings with `content` or `text`.

    Raises:
        InvalidInputError: it is something else.
    """
    if value is None:
        return []
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidInputError(f"history is a {type(value).__name__}: pass a list of messages, oldest first")
    return [text for message in value if (text := _text(message, limit))]


def _text(message: Any, limit: int) -> str:
    """Return the words of a message; none of one that only calls tools."""
    if isinstance(message, Mapping):
        told = message["content"] if "content" in message else message.get("text", message)
    else:
        told = message if isinstance(message, str) else getattr(message, "content", message)
    words = words_of(told)
    if (told is None and told is not message) or (isinstance(words, str) and not words.strip()):
        return ""
    return read_text(words, limit, truncate=True)


def follows_up(question: str) -> bool:
    """Say whether the question leans on something: it opens like one, or points back and names nobody itself."""
    return bool(_opens(question)) or (bool(_points_back(question)) and not _names(question))


def _subject(message: str) -> list[str]:
    """Return whom or what a message is about; nothing for one that only reacts ("Nice!")."""
    words = [word for word in dict.fromkeys(_word.findall(message)) if word.lower() not in _SMALL and len(word) > SHORT]
    return _names(message) or (words if len(words) > 1 else [])


def _names(text: str) -> list[str]:
    """Return capitalised words that do not only begin a sentence, or that also stand elsewhere in it."""
    inside = [found[0] for found in _name.finditer(text)]
    return [name for name in dict.fromkeys(inside) if name.lower() not in _SMALL]
