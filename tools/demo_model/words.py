"""Word lists and made-up names that dialogues are filled with."""

from __future__ import annotations

import random


def listed(text: str, separator: str | None = None) -> list[str]:
    """Split a list that is written in one string.

    Parameters: the text and the separator, white space if absent. Returns the entries.
    """
    return text.split(separator)


NAMES = listed(
    "Anna Bob Clara David Emma Frank Grace Henry Iris Jack Karen Liam Maria Noah Olga Peter Rosa Simon Tina Victor"
    " Wendy Zoe Ali Ben Chen Diego Eva Felix Hans Ivan"
)
CITIES = [
    *listed(
        "Paris London Berlin Rome Madrid Vienna Oslo Tokyo Lima Cairo Boston Chicago Dallas Denver Miami Munich Hamburg"
        " Zurich Geneva Milan Naples Porto Seville Lyon Nice Prague Krakow Dublin Glasgow Leeds Seoul Osaka Kyoto"
        " Mumbai Delhi Sydney Perth Toronto Montreal Quito Bogota Havana Nairobi Lagos Tunis Athens Sofia Riga Tallinn"
        " Bergen"
    ),
    "New York",
    "San Francisco",
    "Los Angeles",
    "Hong Kong",
    "Cape Town",
    "Buenos Aires",
]
UNSEEN_CITIES = [
    *listed("Barcelona Amsterdam Brussels Singapore Melbourne Rio Venice Bristol"),
    "Tel Aviv",
    "San Diego",
]
WORDS = listed(
    "apple river table cloud stone music garden window yellow summer pencil rocket forest bottle orange planet silver"
    " castle bridge winter flower engine island mirror dragon candle button basket socket kernel plugin worker"
)
UNKNOWN_THINGS = listed(
    "philosophy|blockchain|the stock market|Napoleon|a tractor|photosynthesis|my neighbour|opera|chess|taxes|"
    "the Roman empire|cheese making|volcanoes|democracy|surfing|the violin|trains|a black hole|my cousin|the internet|"
    "coffee|football|a castle|insurance|knitting|jazz|a cake|dolphins|general relativity|my homework|a phone|the king|"
    "a bicycle|pizza|history|the moon landing|an airplane|medicine|a contract|the news|my code|a song|dinosaurs|"
    "a dragon|a website|the weather|my printer|a spreadsheet",
    "|",
)
SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are a friendly assistant.",
    "Answer the question of the user.",
    "You are Demo, a small language model.",
    "You are a helpful AI assistant. Be short.",
    "You are the demo model of Jackfield.",
)
ONSETS = listed("b c d f g h j k l m n p r s t v w z br tr st kr gr pl ch sh th")
VOWELS = listed("a e i o u ai ea ou")
ENDINGS = ("", "n", "r", "s", "l", "m", "t", "x", "ton", "ville", "berg", "ia", "land")


def made_up_name(rng: random.Random) -> str:
    """Make up a name that looks like a place or a person.

    Parameters: the random source. Returns a capitalised word of one to three syllables.
    """
    syllables = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(rng.randint(1, 3)))
    return (syllables + rng.choice(ENDINGS)).capitalize()


def any_city(rng: random.Random) -> str:
    """Choose a city, half of the time a made-up one.

    Parameters: the random source. Returns the name of a city.
    """
    chance = rng.random()
    if chance < 0.5:
        return rng.choice(CITIES)
    if chance < 0.92:
        return made_up_name(rng)
    return f"{made_up_name(rng)} {made_up_name(rng)}"


def any_person(rng: random.Random) -> str:
    """Choose the name of a person.

    Parameters: the random source. Returns a known name or a made-up one.
    """
    return rng.choice(NAMES) if rng.random() < 0.6 else made_up_name(rng)
