"""Texts to store and questions to ask: a conversation made up from a seed, or the lines of a file.

The made-up conversation is there so that a benchmark needs no download and is the same everywhere. What matters to a store is
how words are spread, and that is as in real talk: a few words in most texts, topic words in some, and thousands of rare ones.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, count, islice, product
from pathlib import Path
from random import Random
from typing import Final, Protocol, TypeVar


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


_RARE_WORDS: Final = 12_000  # made of syllables: surnames, shops, dishes, villages, as every real conversation has them
_RARE_HEAD: Final = 40.0  # flattens the head of their distribution: no shop is in a tenth of all texts

NAMES: Final = words(
    """Ana Ben Carla David Elena Farid Greta Hiro Ines Jonas Kavya Liam Mara Nils Olga Pedro Quinn Rosa Samir Tessa Umar Vera
    Walter Xenia Yusuf Zoe Aisha Bruno Chloe Diego Emma Felix Gita Hugo Iris Jamal Kira Leon Mina Noah Oscar Paula Rafael Sofia
    Theo Ursula Viktor Wendy Yara Anton Beatrix Caleb Dora Ethan Fiona Gabriel Hanna Ivan Julia Karim Lucia Marcel Nadia Omar
    Petra Rohan Silvia Tomas Valeria William Alma Boris Celia Dmitri Esther Florian Gloria Henrik Isabel Joan Klara Lorenzo
    Miriam Nora Otto Priya Robin Selma Tariq Ulrich Violet Wanda Amara Basil Cora Dario Edith Flavia Goran Helga Imran Jasper
    Katya Ludwig Marta Naomi Orlando Phoebe Ravi Sabine Timo Ulla Vincent Wilma Agnes Bilal Clara Derek Elif Frank"""
)

_TOPICS: Final[dict[str, tuple[str, ...]]] = {
    "work": words(
        """meeting project manager deadline report client office budget team contract presentation email interview promotion
        invoice laptop colleague salary workshop training proposal spreadsheet roadmap launch review schedule shift department
        negotiation intern consultant audit payroll briefing"""
    ),
    "family": words(
        """sister brother mother father daughter son cousin grandmother uncle wedding birthday baby nephew anniversary
        parents kids babysitter reunion christening twins grandfather aunt niece engagement godson toddler stepmother album
        inheritance cradle"""
    ),
    "food": words(
        """dinner recipe restaurant breakfast coffee soup bread cake pasta curry salad cheese garlic lunch kitchen oven wine
        vegetables chocolate noodles pancakes mushrooms lentils picnic bakery allergy peanuts yoghurt dumplings barbecue
        cinnamon olives"""
    ),
    "health": words(
        """doctor appointment headache gym running dentist medicine sleep knee allergies therapy blood pressure surgery vaccine
        marathon yoga diet back pain pharmacy checkup physiotherapy migraine asthma crutches vitamins stretching insomnia fever
        glasses optician"""
    ),
    "travel": words(
        """flight hotel train trip holiday airport passport luggage beach museum ticket island hostel mountains ferry visa
        guidebook souvenir campsite suitcase itinerary castle harbour layover cathedral postcard jetlag rental border sunset
        lagoon cruise"""
    ),
    "home": words(
        """apartment kitchen landlord rent garden roof boiler window neighbour furniture sofa painting bathroom key balcony
        mortgage plumber leak curtains fridge carpet heating basement shelf lamp moving boxes washing machine hedge doorbell
        attic insulation"""
    ),
    "hobbies": words(
        """guitar book novel piano chess painting pottery camera choir football tennis garden knitting concert film theatre
        cycling hiking climbing puzzle drawing violin swimming photography board game archery telescope sewing fishing skating
        origami poetry birdwatching"""
    ),
    "money": words(
        """bank account loan card savings bill tax insurance refund receipt pension budget fee transfer price discount debt
        subscription allowance deposit dividend currency coupon mortgage cheque overdraft accountant donation voucher interest"""
    ),
    "school": words(
        """exam teacher class homework university course essay lecture thesis scholarship library semester grade student
        laboratory maths chemistry history geography tutor diploma dormitory campus professor blackboard kindergarten
        graduation textbook syllabus seminar"""
    ),
    "pets": words(
        """dog cat puppy vet rabbit leash kitten parrot hamster aquarium walk collar shelter litter tortoise pony kennel
        budgie vaccination fur whiskers bone stray cage goldfish treats grooming paw obedience"""
    ),
    "devices": words(
        """phone computer printer password app charger battery router screen update keyboard headphones tablet backup wifi
        camera software download cable speaker monitor server account browser notification thermostat scanner drone firmware
        smartwatch projector"""
    ),
    "plans": words(
        """weekend party plan list reminder idea evening visit gift invitation calendar surprise decision resolution goal
        reservation errand appointment volunteer festival parade fireworks costume market brunch ceremony rehearsal raffle
        barbecue speech"""
    ),
}

_ADJECTIVES: Final = words(
    """new old good little big nice great small early late different expensive cheap quiet long short busy difficult easy
    favourite broken strange important lovely terrible warm cold heavy bright blue green red tiny huge noisy gentle crowded
    delicious boring careful comfortable dusty elegant fragile generous handmade wooden spicy secondhand stubborn reliable
    rainy sunny unexpected wonderful ancient narrow"""
)

VERBS: Final = words(
    """bought found lost forgot ordered fixed sold wanted remembered loved finished started cancelled borrowed returned moved
    cleaned tried recommended missed organised painted photographed postponed replaced sketched wrapped mentioned hated
    described"""
)

_ONSETS: Final = words("b br c ch d dr f g gr h j k l m n p r s sh st t tr v w z")
_NUCLEI: Final = words("a ai e ea i o ou u")
_CODAS: Final = ("", "n", "l", "r", "s", "m", "th", "ck")


def _rare_words(random: Random) -> list[str]:
    """Return `RARE_WORDS` distinct made-up words of two syllables, the most frequent first."""
    first = [onset + nucleus for onset, nucleus in product(_ONSETS, _NUCLEI)]
    last = [onset + nucleus + coda for onset, nucleus, coda in product(_ONSETS, _NUCLEI, _CODAS)]
    words: dict[str, None] = {}
    while len(words) < _RARE_WORDS:
        words[random.choice(first) + random.choice(last)] = None
    return list(words)


def _zipf(count: int, head: float = 4.0) -> list[float]:
    """Return cumulative weights of `count` words by rank, each word's weight 1 / (head + rank) (Zipf-Mandelbrot)."""
    return list(accumulate(1.0 / (head + rank) for rank in range(count)))


def _rare_weights() -> list[float]:
    """Return cumulative weights of the rare words."""
    return _zipf(_RARE_WORDS, _RARE_HEAD)


T = TypeVar("T")

_MONTHS: Final = words("January February March April May June July August September October November December")
_DAYS: Final = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")

# What every sentence of one text may draw on. Each text is an opening, a middle and perhaps an ending.
_OPENINGS: Final = (
    "I {verb} the {adj} {noun}",
    "{name} and I {verb} a {noun}",
    "yesterday we {verb} the {noun} with {name}",
    "do you remember when {name} {verb} that {adj} {noun}",
    "my {noun} from {Rare} is {adj} and the {noun2} is too",
    "{name} said that the {noun} at {Rare} was {adj}",
    "I think I should have {verb} the {noun} before {day}",
    "no, it was {name} who {verb} the {noun2}, not me",
    "we are going to look at the {adj} {noun} on {day}",
    "thanks, that is so {adj} of you! I just {verb} the {noun}",
)
_MIDDLES: Final = (
    "",
    " because the {noun2} was too {adj2} for {name2}",
    " and then {name2} {verb2} the {noun2} near {Rare}",
    ", it cost {number} and I still need a {adj2} {noun2}",
    " on {date}, which was really {adj2} for all of us",
    " so that {name2} can see the {noun2} at {hour} in the evening",
    " and it reminded me of the {adj2} {noun2} that you told me about",
    ", but I have not heard from {name2} about the {noun2} since {date}",
    " with a {rare} from the {noun2} on {Rare} street",
)
_ENDINGS: Final = (
    *("", ".", "!", " again", "...") * 2,
    " and I was happy about it",
    ", what do you think?",
    ". We should do it again in {month}",
    ". {name2} wants {number} of them for the {noun2}",
    ". I have been thinking about it for {number} days now",
    ". By the way, did you ask {name} about the {rare}?",
    ", and next {day} I will call {name2} again to be sure",
    ". It is at {hour} and the {noun2} is {adj}, so please do not be late",
)
_QUESTIONS: Final = (
    "What did we say about {}?",
    "When was it that we talked about {}?",
    "Who told me about {}?",
    "Do you remember {}?",
    "Where was {}?",
    "How was {}?",
)
_TELLING_WORD: Final = re.compile(r"\w{4,}")
_FUNCTION_WORDS: Final = frozenset(
    words("about because before from have heard just really remember said should since that then when which with what")
)


class Texts(Protocol):
    """Where a benchmark's texts come from."""

    @property
    def source(self) -> str:
        """In words, for the report."""

    def take(self, number: int) -> list[str]:
        """Return the next texts; none of them comes twice in the life of this object."""


class Conversation:
    """Made-up talk, the same for the same seed.

    Args:
        seed: Any integer.
    """

    def __init__(self, seed: int) -> None:
        self.source = f"generated, seed {seed}"
        self._random = Random(seed)
        self._rare = _rare_words(self._random)
        self._rare_weights = _rare_weights()
        self._topics = list(_TOPICS.values())
        self._weights = {n: _zipf(n) for n in {len(pool) for pool in (*self._topics, self._topics, NAMES, _ADJECTIVES, VERBS)}}
        self._seen: set[bytes] = set()

    def take(self, number: int) -> list[str]:
        """Return the next texts; none of them comes twice in the life of this object."""
        return [self._distinct() for _ in range(number)]

    def _distinct(self) -> str:
        while True:
            text = self._text()
            mark = hashlib.blake2b(text.encode(), digest_size=8).digest()  # a tenth of the room the text would take
            if mark not in self._seen:
                self._seen.add(mark)
                return text

    def _text(self) -> str:
        random = self._random
        template = random.choice(_OPENINGS) + random.choice(_MIDDLES) + random.choice(_ENDINGS)
        text = template.format_map(self._words())
        return text[0].upper() + text[1:]

    def _words(self) -> dict[str, str | int]:
        nouns = self._drawn(self._drawn(self._topics, 1)[0], 2)
        names, verbs, adjectives = self._drawn(NAMES, 2), self._drawn(VERBS, 2), self._drawn(_ADJECTIVES, 2)
        rare, proper = self._random.choices(self._rare, cum_weights=self._rare_weights, k=2)
        number = self._random.randrange(2, 400)
        day, month = number % 28 + 1, self._random.choice(_MONTHS)
        return {
            "noun": nouns[0], "noun2": nouns[1], "name": names[0], "name2": names[1], "verb": verbs[0], "verb2": verbs[1],
            "adj": adjectives[0], "adj2": adjectives[1], "rare": rare, "Rare": proper.capitalize(), "number": number,
            "hour": number % 12 + 1, "day": _DAYS[number % 7], "month": month, "date": f"{day} {month}",
        }  # fmt: skip

    def _drawn(self, pool: Sequence[T], number: int) -> list[T]:
        return self._random.choices(pool, cum_weights=self._weights[len(pool)], k=number)


class Lines:
    """The distinct lines of a file. Once they run out they come again with a number behind them.

    Args:
        path: A text file, UTF-8.

    Raises:
        OSError: the file cannot be read.
        ValueError: there is no text in it, or it is not UTF-8.
    """

    def __init__(self, path: Path) -> None:
        self.source = f"{path.name}, {path.stat().st_size:,} bytes"
        lines = list(dict.fromkeys(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()))
        if not lines:
            raise ValueError(f"{path} holds no text: give a file with one text per line")
        again = (f"{line} ({round})" for round in count(2) for line in lines)
        self._rest: Iterator[str] = chain(lines, again)

    def take(self, number: int) -> list[str]:
        """Return the next texts; none of them comes twice in the life of this object."""
        return list(islice(self._rest, number))


def questions(texts: Sequence[str], number: int, seed: int) -> list[str]:
    """Return questions about some of the texts, each made of two to four of the text's own telling words.

    Args:
        texts: What is stored.
        number: How many questions.
        seed: Any integer; the same questions for the same seed.
    """
    random = Random(seed)
    return [_question(random.choice(texts), random) for _ in range(number)]


def _question(text: str, random: Random) -> str:
    telling = [word for word in _TELLING_WORD.findall(text) if word.lower() not in _FUNCTION_WORDS] or text.split()
    asked = random.sample(telling, min(len(telling), random.randint(2, 4)))
    return random.choice(_QUESTIONS).format(" and ".join(asked))
