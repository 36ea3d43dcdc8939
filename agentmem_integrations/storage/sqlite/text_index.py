"""What the text index sees, and how a question is put to it."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from ...models import Memory

MAX_WORDS: Final = 64  # of one question; a longer one is a document, and its first words say what it is about

# Scripts written without spaces between words (and Hangul, whose words carry endings): Thai to Myanmar, Khmer, kana, Han.
_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
_WORD: Final = re.compile(r"[\w\u0300-\u036f]+")  # with combining accents, as the tokenizer has it
_MONTHS: Final = "January February March April May June July August September October November December".split()

# Words that say how a question is built, not what it is about.
STOP_WORDS: Final = frozenset(
    """a about after all also am an and any are as at be been before being but by can could d did do does doing don down for from
    had has have having he her here hers him his how i if in into is it its just let ll m me more most my no nor not of off on
    once only or other our out over own re s same shall she should so some such t than that the their them then there these they
    this those through to too under until up us ve very was we were what when where which while who whom whose why will with
    would yes you your yours""".split()
)


def lexical_form(text: str) -> str | None:
    """Return the text with unspaced scripts cut into characters and pairs of characters; None if nothing is to be done.

    FTS5's unicode61 tokenizer takes a whole Chinese sentence for one word, and its trigram tokenizer cannot match words of
    two characters, which most Chinese words are.
    """
    if text.isascii():
        return None
    plain = unicodedata.normalize("NFKC", text)  # half-width and full-width letters, ligatures
    if not _UNSPACED.search(plain):
        return None if plain == text else plain
    return _UNSPACED.sub(lambda run: f" {' '.join((*_letters(run[0]), *_pairs(run[0])))} ", plain)


def context_words(memory: Memory) -> str | None:
    """Return who said it and when, as words: people ask for both, and the text itself seldom says them."""
    words = [memory.name] if memory.name else []
    at = memory.occurred_at
    if at is not None and at != memory.created_at:
        words.append(f"{at.day} {_MONTHS[at.month - 1]} {at.year}")
    return " ".join(words) or None


def match_expression(question: str, scope: int) -> str | None:
    """Return the FTS5 expression that finds the question's words in one scope; None if the question has no words.

    Every word is quoted: what a user types is never query syntax.
    """
    telling = question_words(question)
    if not telling:
        return None
    alternatives = " OR ".join(f'"{word}"' for word in telling)
    return f'scope : "{scope}" AND {{body context}} : ({alternatives})'


def phrase_expression(phrase: str, scope: int) -> str | None:
    """Return the FTS5 expression that finds one scope's texts with these words in this order; None if there are no words."""
    form = _phrase_form(phrase)
    return None if form is None else f'scope : "{scope}" AND body : "{form}"'


def _phrase_form(phrase: str) -> str | None:
    """Return a phrase as a text that has it is indexed; None if it has no words.

    Of a run of an unspaced script the index has the letters first, then their pairs. A text's run may begin before the phrase's
    and end behind it: so letters stand for the run that ends the phrase, and pairs for the one that begins it.
    """
    plain = unicodedata.normalize("NFKC", phrase).replace('"', " ").replace("\0", " ")
    if not _WORD.search(plain):
        return None

    def form(run: re.Match[str]) -> str:
        letters, pairs = _letters(run[0]), _pairs(run[0])
        if not _WORD.search(plain, run.end()):
            return f" {' '.join(letters)} "
        begins = pairs and not _WORD.search(plain, 0, run.start())
        return f" {' '.join(pairs if begins else (*letters, *pairs))} "

    return _UNSPACED.sub(form, plain)


def question_words(question: str) -> list[str]:
    """Return the words of a question that say what it is about, each once; all of its words if none does."""
    words = list(dict.fromkeys(_words(question)))
    return ([w for w in words if w.lower() not in STOP_WORDS] or words)[:MAX_WORDS]


def _words(question: str) -> Iterator[str]:
    for word in _WORD.findall(unicodedata.normalize("NFKC", question)):
        if word.isascii() or not _UNSPACED.search(word):
            yield word
            continue
        for run in _UNSPACED.findall(word):
            letters = _letters(run)
            yield from _pairs(run) if len(letters) > 1 else letters
        yield from _WORD.findall(_UNSPACED.sub(" ", word))


def _letters(run: str) -> list[str]:
    # Thai and Khmer vowel signs are marks, which unicode61 takes for separators: words are compared by their letters
    return [c for c in run if c.isalnum()]


def _pairs(run: str) -> list[str]:
    letters = _letters(run)
    return [a + b for a, b in pairwise(letters)]
