"""The words that benchmark conversations are made of: names, topics with their own words, and a long tail of rare ones."""

from itertools import accumulate, product
from random import Random
from typing import Final


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


RARE_WORDS: Final = 12_000  # made of syllables: surnames, shops, dishes, villages, as every real conversation has them
_RARE_HEAD: Final = 40.0  # flattens the head of their distribution: no shop is in a tenth of all texts

NAMES: Final = words(
    """Ana Ben Carla David Elena Farid Greta Hiro Ines Jonas Kavya Liam Mara Nils Olga Pedro Quinn Rosa Samir Tessa Umar Vera
    Walter Xenia Yusuf Zoe Aisha Bruno Chloe Diego Emma Felix Gita Hugo Iris Jamal Kira Leon Mina Noah Oscar Paula Rafael Sofia
    Theo Ursula Viktor Wendy Yara Anton Beatrix Caleb Dora Ethan Fiona Gabriel Hanna Ivan Julia Karim Lucia Marcel Nadia Omar
    Petra Rohan Silvia Tomas Valeria William Alma Boris Celia Dmitri Esther Florian Gloria Henrik Isabel Joan Klara Lorenzo
    Miriam Nora Otto Priya Robin Selma Tariq Ulrich Violet Wanda Amara Basil Cora Dario Edith Flavia Goran Helga Imran Jasper
    Katya Ludwig Marta Naomi Orlando Phoebe Ravi Sabine Timo Ulla Vincent Wilma Agnes Bilal Clara Derek Elif Frank"""
)

TOPICS: Final[dict[str, tuple[str, ...]]] = {
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

ADJECTIVES: Final = words(
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


def rare_words(random: Random) -> list[str]:
    """Return `RARE_WORDS` distinct made-up words of two syllables, the most frequent first."""
    first = [onset + nucleus for onset, nucleus in product(_ONSETS, _NUCLEI)]
    last = [onset + nucleus + coda for onset, nucleus, coda in product(_ONSETS, _NUCLEI, _CODAS)]
    words: dict[str, None] = {}
    while len(words) < RARE_WORDS:
        words[random.choice(first) + random.choice(last)] = None
    return list(words)


def zipf(count: int, head: float = 4.0) -> list[float]:
    """Return cumulative weights of `count` words by rank, each word's weight 1 / (head + rank) (Zipf-Mandelbrot)."""
    return list(accumulate(1.0 / (head + rank) for rank in range(count)))


def rare_weights() -> list[float]:
    """Return cumulative weights of the rare words."""
    return zipf(RARE_WORDS, _RARE_HEAD)
