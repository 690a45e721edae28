"""Sentences of a voice assistant's world to be spoken: commands, times, dates, numbers, spelled names.

Which split a sentence belongs to follows from its text alone, so that no sentence is ever in two of them,
whatever the seed and the sizes. Some words belong to dev or to test only; the others may occur everywhere.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache

from speechq.errors import ConfigError

SPLITS = ("train", "dev", "test")

OOV_SHARE = 0.025
"""Share of the word tokens of dev and of test that never occur in training."""

_DEV_SHARE = _TEST_SHARE = 0.1

# slot: words for all splits | words of dev only | words of test only
_WORDS = {
    "name": "anna ben david emma frank henry irene jack karen linda martin oscar paula "
    "robert sarah thomas victor helen peter george | diana hugo monica philip "
    "| amanda felix laura gordon",
    "city": "boston london paris berlin chicago denver dublin madrid oslo rome sydney tokyo vienna "
    "seattle moscow | lisbon toronto havana | geneva atlanta bombay",
    "food": "apples bread butter cheese coffee eggs fish honey milk onions pasta potatoes "
    "rice salad salt soup sugar tomatoes bananas chicken | carrots garlic mushrooms | "
    "olives yogurt cucumbers",
    "thing": "ball bag blanket book bottle box camera chair clock coat cup desk guitar "
    "jacket key knife letter mirror paper pencil phone picture shirt "
    "table ticket umbrella wallet window | bucket ladder pillow | helmet trumpet sofa",
    "color": "black blue brown green orange pink purple red white yellow gray | silver | golden",
    "animal": "bird cat cow dog duck fox horse monkey mouse rabbit sheep tiger bear | camel "
    "donkey | turtle penguin",
    "room": "attic bathroom bedroom garage garden hall kitchen office cellar basement | nursery | library",
    "device": "heater oven radio speaker television computer printer alarm light | toaster | kettle",
    "job": "baker doctor driver farmer lawyer nurse painter pilot teacher waiter artist | carpenter | "
    "plumber",
    "relative": "aunt brother cousin daughter father friend mother neighbor sister son uncle | nephew | "
    "grandson",
    "place": "airport bank beach bridge church factory hospital hotel market museum park restaurant "
    "school station store theater river forest | castle bakery | harbor stadium",
    "music": "jazz rock country folk piano dance | opera | reggae",
    "weather": "cloudy cold dry foggy hot rainy snowy sunny warm wet windy | stormy | humid",
    "size": "big small large tiny heavy long short old new | huge | narrow",
    "feeling": "angry happy hungry sad sick sleepy thirsty tired busy late | nervous | jealous",
    "past": "bought broke carried dropped found lost moved opened painted sold washed wanted | borrowed "
    "| repaired",
    "adverb": "again always already never often slowly quickly soon today tonight tomorrow | rarely | "
    "suddenly",
    "sport": "soccer tennis golf hockey baseball chess | cricket | volleyball",
    "month": "january february march april may june july august september october november december",
    "day": "monday tuesday wednesday thursday friday saturday sunday",
    "part": "morning afternoon evening night",
    "unit": "minutes seconds hours days weeks",
    "money": "dollars pounds cents euros",
}

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve"] + [
    f"{word}teen" for word in ("thir", "four", "fif", "six", "seven", "eigh", "nine")
]
_TENS = [f"{word}ty" for word in ("twen", "thir", "for", "fif", "six", "seven", "eigh", "nine")]
_ORDINALS = [
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth", *(f"{word}th" for word in _TEENS[3:]), "twentieth", "thirtieth"),
]

_TEMPLATES = """
play some {music} music in the {room}
play {music} music
stop the music in the {room}
turn on the {device} in the {room}
turn off the {device}
turn the {device} off {clock}
switch on the {color} {device} in the {room}
is the {device} in the {room} still on
set a timer for {number} {unit}
set the {device} to {number} degrees
set an alarm for {clock}
wake me up at {clock} on {day}
remind me to call {name} {clock}
remind me to buy {food} and {food} on {day}
add {food} and {food} to my list
add {number} {food} to the list please
we need {number} {food} and some {food}
call {name} at {number} {digits}
call {digits}
dial {digits} please
the number is {digits}
my code is {digits}
send a message to {name}
send {name} a picture of the {animal}
what is the weather like in {city} on {day}
will it be {weather} in {city} on {day}
it was {weather} and {weather} in {city}
tomorrow will be {weather} in {city}
it is too {weather} to play {sport}
find a {place} near {city}
how far is it from {city} to {city}
show me the way to the {place}
drive me to the {place} in {city}
book a table for {number} at {clock}
book a flight from {city} to {city}
the train to {city} leaves at {clock}
the bus from {city} is {number} minutes late
my birthday is on {date}
the meeting is on {date} at {clock}
we will meet {name} on {date}
{name} was born on {date}
cancel my meeting with the {job} on {day}
what happened on {date}
spell the name {spelled}
my name is {named}
the name is {spelled}
it is spelled {spelled}
write the letters {letters}
that costs {number} {money}
the {thing} costs {number} {money}
{name} paid {number} {money} for the {thing}
what is {number} plus {number}
what is {number} minus {number}
how much is {number} times {number}
{name} {past} a {color} {thing}
{name} {past} the {size} {thing} on {day}
my {relative} {past} a {size} {thing}
my {relative} {past} the {thing} in the {room}
the {job} {past} a {size} {thing}
the {size} {animal} ran to the {place}
the {color} {animal} sleeps in the {room}
there are {number} {animal_s} in the {place}
a {size} {color} {animal} ate the {food}
where is my {color} {thing}
your {thing} is under the {thing}
put the {thing} next to the {color} {thing}
bring me the {size} {thing} from the {room}
who {past} the {thing}
{name} and {name} are {feeling}
i am {feeling} and {feeling}
my {relative} is {feeling} this {part}
are you {feeling} {adverb}
{name}'s {relative} is a {job}
{name}'s {thing} is {color}
my {relative} works as a {job} in {city}
{name} {adverb} plays {sport} in the {part}
we {adverb} play {sport} on {day}
the {job} lives near the {place}
they {adverb} eat {food} in the {part}
i'll bring the {food} on {day} {part}
don't forget the {thing}
i don't like {food} with {food}
can you open the {thing} for {name}
she gave her {relative} a {color} {thing}
he left his {thing} at the {place}
read me page {number} of the {size} book
good {part} {name}
good {part} {name} how are you
""".strip().splitlines()

_SLOT = re.compile(r"\{(\w+)\}")
_WORD_LISTS: dict[str, dict[str, list[str]]] = {
    slot: dict(zip(SPLITS, (part.split() for part in (text + "||").split("|")[:3]), strict=True))
    for slot, text in _WORDS.items()
}
_PLURALS = {"mouse": "mice", "sheep": "sheep", "fox": "foxes"}


def _plural(noun: str) -> str:
    return _PLURALS.get(noun, noun + "s")


@lru_cache
def held_out_words(split: str) -> frozenset[str]:
    """Words, in capitals, that only this split may contain; none for train."""
    if split == "train":
        return frozenset()
    nouns = {_plural(word) for word in _WORD_LISTS["animal"][split]}
    names = {name + "'s" for name in _WORD_LISTS["name"][split]}
    words = {word for lists in _WORD_LISTS.values() for word in lists[split]}
    return frozenset(word.upper() for word in words | nouns | names)


def split_of(text: str) -> str:
    """The split that a sentence in capitals belongs to: by held-out words, else by a checksum."""
    words = set(text.split())
    for split in ("dev", "test"):
        if words & held_out_words(split):
            return split
    share = zlib.crc32(text.encode()) / 2**32
    return "dev" if share < _DEV_SHARE else "test" if share < _DEV_SHARE + _TEST_SHARE else "train"


class _Writer:
    """Fills templates; everything it chooses comes from one random generator."""

    def __init__(self, generator: random.Random) -> None:
        self.random = generator
        self.fillers: dict[str, Callable[[], str]] = {
            "number": self.number,
            "digits": self.digits,
            "clock": self.clock,
            "date": self.date,
            "letters": lambda: " ".join(
                self.random.sample("abcdefghijklmnopqrstuvwxyz", self.random.randint(3, 5))
            ),
            "spelled": lambda: " ".join(self.word("name")),
            "named": self.named,
            "animal_s": lambda: _plural(self.word("animal")),
        }

    def word(self, slot: str) -> str:
        return self.random.choice(_WORD_LISTS[slot]["train"])

    def number(self) -> str:
        kind = self.random.random()
        if kind < 0.35:
            return self.random.choice(_ONES[1:])
        if kind < 0.6:
            return self.random.choice(_TEENS)
        tens = self.random.choice(_TENS)
        if kind < 0.95:
            return tens if self.random.random() < 0.3 else f"{tens} {self.random.choice(_ONES)}"
        return f"{self.random.choice(_ONES)} {self.random.choice(('hundred', 'thousand'))}"

    def digits(self) -> str:
        return " ".join(self.random.choices(["zero", *_ONES], k=self.random.randint(3, 6)))

    def clock(self) -> str:
        hour = self.random.choice([*_ONES, *_TEENS[:3]])
        kind = self.random.randrange(4)
        if kind == 0:
            return f"{hour} o'clock"
        if kind == 1:
            return f"{self.random.choice(('half past', 'quarter past', 'quarter to'))} {hour}"
        if kind == 2:
            return f"{hour} {self.random.choice(_TENS[:4])}"
        return f"{hour} in the {self.random.choice(('morning', 'evening', 'afternoon'))}"

    def date(self) -> str:
        day = self.random.randint(1, 31)
        ordinal = _ORDINALS[day - 1] if day <= 20 else _ORDINALS[20] if day == 30 else ""
        if not ordinal:
            ordinal = f"{'twenty' if day < 30 else 'thirty'} {_ORDINALS[day % 10 - 1]}"
        month = self.word("month")
        return f"the {ordinal} of {month}" if self.random.random() < 0.5 else f"{month} {ordinal}"

    def named(self) -> str:
        name = self.word("name")
        return f"{name} {' '.join(name)}"

    def fill(self, template: str, held_out: str = "") -> str:
        """A sentence in lower case; with ``held_out`` a split, one slot has a word of that split only."""
        slots = [match[1] for match in _SLOT.finditer(template)]
        candidates = [index for index, slot in enumerate(slots) if _WORD_LISTS.get(slot, {}).get(held_out)]
        chosen = self.random.choice(candidates) if held_out else -1
        values = []
        for index, slot in enumerate(slots):
            if index == chosen:
                values.append(self.random.choice(_WORD_LISTS[slot][held_out]))
            else:
                values.append(self.fillers[slot]() if slot in self.fillers else self.word(slot))
        text = _SLOT.sub(lambda _: values.pop(0), template)
        return re.sub(r"\ba(?= [aeiou][a-z])", "an", text)


_OPEN = [t for t in _TEMPLATES if any(_WORD_LISTS.get(m[1], {}).get("test") for m in _SLOT.finditer(t))]


def sentences(split: str, seed: int = 1) -> Iterator[str]:
    """Endless different sentences (capitals A-Z, apostrophe, space) of one split.

    In dev and test :data:`OOV_SHARE` of the words are held out from training: whenever the share so far is
    below it, the next sentence gets such a word.
    """
    if split not in SPLITS:
        raise ConfigError(f"no split {split!r}; there are {', '.join(SPLITS)}")
    writer = _Writer(random.Random(f"{seed}/{split}"))
    held_out = held_out_words(split)
    seen: set[str] = set()
    tokens = unknown = 0
    while True:
        wanted = bool(held_out) and unknown < OOV_SHARE * tokens
        template = writer.random.choice(_OPEN if wanted else _TEMPLATES)
        text = writer.fill(template, split if wanted else "").upper()
        if text in seen or split_of(text) != split:
            continue
        seen.add(text)
        words = text.split()
        tokens += len(words)
        unknown += sum(word in held_out for word in words)
        yield text
