"""Everyday sentences, as people say them of themselves and ask of each other: patterns filled with WordNet's words.

A dictionary has few sentences in the first person, hardly a question, and no names; what people tell an agent is little else.
The patterns are this project's own (Apache-2.0).
"""

import random
from collections.abc import Iterator

NAMES = """\
Aaron Abigail Adam Aisha Alan Alex Alice Amanda Amir Amy Ana Andrea Andrew Angela Anna Anthony Antonio Arthur Ben Beth Bianca Brian
Bruce Carla Carlos Carmen Charlotte Chen Chloe Chris Claire Clara Daniel Daniela David Deborah Diana Diego Dylan Edith Elena Eli
Elizabeth Ella Emily Emma Eric Eva Fatima Felix Fiona Frank Gabriel George Grace Greta Hana Hannah Harry Hassan Helen Henry Hugo Ian
Ines Ingrid Irene Isaac Isabel Ivan Jack Jacob James Jane Jasmine Jason Jenny Jessica John Jonas Joseph Joshua Julia Karen Kate
Kevin Kim Kumar Laura Lena Leo Liam Linda Lisa Louis Lucas Lucy Luis Magnus Marco Maria Mark Martha Martin Mary Matthew Max Maya
Michael Miguel Mia Mohammed Monica Nadia Nancy Natalie Nathan Nicholas Nina Noah Nora Olga Oliver Omar Oscar Pablo Patrick Paul
Pedro Peter Priya Rachel Raj Rebecca Richard Rita Robert Rosa Ruth Ryan Sam Samuel Sara Sarah Simon Sofia Sophie Stephen Susan Tanya
Teresa Thomas Tim Tom Tony Vera Victor Vincent Wei William Yuki Yusuf Zoe""".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
TIMES = (
    "yesterday|today|tomorrow|last week|last month|last year|next week|next month|this weekend|last {day}|next {day}|on {day}|in {month}"
    "|last {month}|in {year}|two days ago|a few years ago|on {month} {date}|at {hour} pm|this morning|tonight"
).split("|")
WHO = (
    "my mother|my father|my sister|my brother|my wife|my husband|my partner|my daughter|my son|my best friend|my boss|my neighbor"
    "|a colleague|my roommate|my cousin|my grandmother|{name}|{name}|{name}|{name}|{name}"
).split("|")
FEELINGS = (
    "happy|sad|excited|nervous|proud|tired|angry|worried|relieved|lonely|grateful|stressed|surprised|disappointed|calm|confused"
).split("|")

# {food} and the like are the categories of WordNet's lexicographer files, see `CATEGORIES`.
PATTERNS = """\
I love {food}.
I can't eat {food} because it makes me ill.
I am allergic to {food}.
My favorite food is {food}.
{who} made {food} and {food} for dinner {time}.
Could you find me a recipe with {food} and {food}?
What does {name} like to eat?
Does {name} like {food}?
We ordered {food} at the new place near {place}.
I am trying to eat less {food} and more {food}.
I bought {a_thing} {time}.
{who} gave me {a_thing} for my birthday.
I am looking for {a_thing} for my {thing}.
My {thing} broke {time} and I have to get a new one.
What did {name} buy {time}?
Where did I put my {thing}?
How much did the {thing} cost?
Should I get {a_thing} or {a_thing}?
{name} is fixing the {thing} in the garage.
The {thing} in our kitchen stopped working {time}.
I left my {thing} at the office.
I have {an_animal} called {name}.
{who} adopted {an_animal} {time}!
We saw {an_animal} near the house {time}.
What kind of pet does {name} have?
Our {animal} had to see the vet {time}.
{name} is afraid of the {animal}.
I grow {plant} and {plant} in my garden.
The {plant} in our yard is blooming.
{name} works as {a_person}.
I used to be {a_person}, but now I am {a_person}.
What does {name} do for a living?
My daughter wants to become {a_person}.
{who} met {a_person} at a party {time}.
I am talking to {a_person} about my {thing} {time}.
Who is {name}'s {person}?
I moved to {place} {time}.
I live in {place} with {who}.
Where does {name} live now?
We are planning a trip to {place} {time}.
{who} is from {place}.
Have you ever been to {place}?
When did {name} go to {place}?
{name} visited {place} with {who} {time}.
We stayed in a small hotel in {place} and it was lovely.
I have been learning {act} since {year}.
{act} helps me relax after work.
I go to {act} every {day}.
{who} signed up for {act} {time}.
What hobbies does {name} have?
What made {name} start with {act}?
{name} loves {act}, but {name} prefers {act}.
When is the {event}?
The {event} was moved to {day} at {hour} pm.
Remind me about the {event} {time}.
{who} and I went to the {event} {time}.
How did the {event} go?
I have been dealing with {illness} since {month}.
The doctor says that {who} has {illness}.
Is {name} feeling better after the {illness}?
I take something against {illness} every morning.
I feel {feeling} about the {event}.
I am so {feeling} that {who} came {time}!
Why is {name} {feeling}?
{name} said that the {event} made {who} {feeling}.
It's about {idea} and {idea}.
I am writing {a_text} about {idea}.
{who} is reading {a_text} about {idea}.
What is {name}'s {text} about?
Can you explain {idea} to me in simple words?
What is the difference between {idea} and {idea}?
How can I improve my {idea}?
Please keep your answers short when I ask about {idea}.
I don't believe in {idea}, but {name} does.
I want to {verb} more this year.
{who} told me to {verb}.
How do I {verb} without {thing}?
When did {name} {verb}?
Did {name} {verb} {time}?
I forgot to {verb} {time}.
{name} promised to {verb} {time}.
We need to {verb} before the {event}.
You should {verb}, {name}.
Thanks {name}, that is really {adjective}!
That {thing} looks {adjective} and {adjective}.
{name} is {adjective}, but {who} is {adjective}.
The {event} was {adjective}.
It sounds {adjective}, doesn't it?
Wow, {name}, your {thing} is so {adjective}!
I prefer {adjective} {thing} to {adjective} ones.
Which {thing} does {name} prefer?
How many {thing}s does {name} own?
How long has {name} been {a_person}?
We founded a {group} for {idea} in {place}.
{who} joined the {group} {time}.
What did {name} say about the {group}?
{name} and {name} got married {time} in {place}.
{name} was born in {year} in {place}.
When is {name}'s birthday?
Happy birthday, {name}! See you {time}.
Hey {name}, how are you doing? I was just thinking about the {event}.
Our company makes {thing}s out of {substance}.
Is {substance} better than {substance} for {a_thing}?
My budget for the {thing} is {number} dollars.
I spent {number} hours on {act} {time}.
I ran {number} kilometers {time} and felt {feeling}.
The deadline for the {text} is {month} {date}.
I am {number} years old and work in {place} as {a_person}.
What did I say about {idea}?
What did I tell you about the {event}?
How many {thing}s did I say I need?
Can you sum up what we said about {idea} and {act}?
In what order did I bring up {thing}, {idea} and {event}?
When did I first mention {name}?
What is the name of my {person}?
What are {name}'s plans for {time}?
What kind of {thing} did {name} get?
Why did {name} decide to {verb}?
Which {group} does {name} belong to?
Who told {name} about {idea}?
How does {name} feel about {act}?
What would {name} likely say about {idea}?
Always show me {a_text} when I ask about {thing}s.
I usually {verb} before {time}, so please plan for that.
It took {number} days to {verb} the {thing}.
The {thing} costs {number} dollars now, not {number}.
That's great to hear, {name}! How is the {act} going?
Thanks! I've been into {act} and {act} lately.
Take a look at this {thing} that {who} made {time}.
I'm sorry about your {thing}. Are you {feeling}?
Yeah, {act} is {adjective}. It keeps me {feeling}.
Here is how to {verb}: first {verb}, then check the {thing} and write down the {idea}.
You can {verb} the {thing} with {a_thing}, which is more {adjective} than {a_thing}.""".splitlines()

CATEGORIES = {
    "act": ("noun", 4), "animal": ("noun", 5), "thing": ("noun", 6), "idea": ("noun", 9), "text": ("noun", 10),
    "event": ("noun", 11), "food": ("noun", 13), "group": ("noun", 14), "place": ("noun", 15), "person": ("noun", 18),
    "plant": ("noun", 20), "illness": ("noun", 26), "substance": ("noun", 27), "verb": ("verb", None), "adjective": ("adj", 0),
}  # fmt: skip

LISTS = {"name": NAMES, "day": DAYS, "month": MONTHS, "time": TIMES, "who": WHO, "feeling": FEELINGS}
NUMBERS = {"year": (1960, 2030), "date": (1, 28), "hour": (1, 12)}


def sentences(words: dict[str, list[str]], count: int, seed: int) -> Iterator[str]:
    """Yield `count` sentences; `words` has the words of each category, commonest first."""
    draw = random.Random(seed)
    for _ in range(count):
        text = filled(draw.choice(PATTERNS), words, draw)
        text = text[0].upper() + text[1:]
        # Half of it is said by somebody, and embedded as his words are: behind his name.
        yield f"{draw.choice(NAMES)}: {text}" if draw.random() < 0.5 else text


def filled(pattern: str, words: dict[str, list[str]], draw: random.Random) -> str:
    """Return the pattern with words in its slots, drawn from left to right."""
    while "{" in pattern:
        before, _, rest = pattern.partition("{")
        slot, _, after = rest.partition("}")
        pattern = before + word_for(slot, words, draw) + after
    return pattern


def word_for(slot: str, words: dict[str, list[str]], draw: random.Random) -> str:
    """Return what stands for a slot; it may have slots itself."""
    if slot in LISTS:
        return draw.choice(LISTS[slot])
    if slot in NUMBERS:
        return str(draw.randint(*NUMBERS[slot]))
    if slot == "number":
        return str(draw.choice([draw.randint(2, 99), draw.randint(2, 40) * 50]))
    article, _, category = slot.rpartition("_")
    some = words[category]
    # The square of a uniform number: the commoner half of the words is drawn seven times in ten.
    chosen = some[int(len(some) * draw.random() ** 2)]
    if not article:
        return chosen
    return ("an " if chosen[0].lower() in "aeiou" else "a ") + chosen
