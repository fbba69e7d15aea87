"""The corpus: whole conversations and plain documents, the same for the same seed.

Run as a script it prints examples, or with `--check` tests that the corpus is reproducible and free of contradictions.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
from collections import Counter

from facts import QUESTIONS, TABLES
from messages import Message, Tool, Turn, render, turns
from single_turns import arithmetic, count, fact, json_answer, repeat, think, unknown
from tool_dialogues import tool_dialogue
from words import SYSTEM_PROMPTS, any_person

DEFAULT_SEED = 2026
NAME_STATEMENTS = ("My name is {n}.", "I am {n}.", "Hi, my name is {n}.", "Hello, I am {n}.", "Call me {n}.")
NAME_QUESTIONS = ("What is my name?", "Do you remember my name?", "Who am I?", "Tell me my name.")
FOLLOW_UPS = ("And {k}?", "And what about {k}?", "What about {k}?", "And of {k}?")
FOLLOW_UP_TABLES = ("capital", "opposite", "french", "color", "plugin")
POLITE_PREFIX = re.compile(r"^(please|hi|hello|hey|quick question)[,:]? (?=\w+ \w)")
POLITE_SUFFIX = re.compile(r"[.?!] ?(thanks|please|thank you)[.!]?$")


def follow_up(rng: random.Random) -> list[Turn]:
    """Ask for a fact and then, in short, for the same of another key.

    Parameters: the random source. Returns two turns.
    """
    table = TABLES[rng.choice(FOLLOW_UP_TABLES)]
    first, second = rng.sample(list(table.facts), 2)
    opening = table.phrasings[0].format(k=first)
    return [
        (opening, table.answer.format(k=first, v=table.facts[first])),
        (rng.choice(FOLLOW_UPS).format(k=second), table.answer.format(k=second, v=table.facts[second])),
    ]


def introduction(rng: random.Random, name: str) -> Turn:
    """Let the user say their name.

    Parameters: the random source and the name. Returns the turn.
    """
    return rng.choice(NAME_STATEMENTS).format(n=name), f"Nice to meet you, {name}!"


def name_dialogue(rng: random.Random) -> list[Turn]:
    """Make a dialogue that asks for a name given earlier.

    Parameters: the random source. Returns its turns.
    """
    name = any_person(rng)
    before = [fact(rng) for _ in range(rng.choice([0, 0, 1, 2]))]
    between = [fact(rng) if rng.random() < 0.75 else arithmetic(rng) for _ in range(rng.choice([0, 1, 2, 3, 4, 6, 8]))]
    return [*before, introduction(rng, name), *between, (rng.choice(NAME_QUESTIONS), f"Your name is {name}.")]


def simple_turns(rng: random.Random) -> list[Turn]:
    """Make the next step of an ordinary dialogue.

    Parameters: the random source. Returns one turn, or two for a follow-up.
    """
    makers = (fact, arithmetic, json_answer, repeat, count, think, unknown)
    maker = rng.choices((*makers, None), (58.0, 13.0, 7.0, 3.0, 3.0, 2.0, 9.0, 5.0))[0]
    return [maker(rng)] if maker else follow_up(rng)


def conversation(rng: random.Random) -> tuple[list[Message], list[Tool] | None]:
    """Make one conversation.

    Parameters: the random source. Returns its messages and the tools on offer.
    """
    chance = rng.random()
    if chance < 0.22:
        return tool_dialogue(rng)
    start: list[Message] = []
    if rng.random() < 0.3:
        start.append({"role": "system", "content": rng.choice(SYSTEM_PROMPTS)})
    if chance < 0.28:
        return [*start, *turns(name_dialogue(rng))], None
    steps = rng.choice([1, 1, 1, 1, 2, 2, 3, 3, 4, 6])
    return [*start, *turns([turn for _ in range(steps) for turn in simple_turns(rng)])], None


def document(rng: random.Random) -> str:
    """Make a plain text without chat markup, for text completion.

    Parameters: the random source. Returns one to five sentences.
    """
    makers = rng.choices((fact, arithmetic), (4.0, 1.0), k=rng.randint(1, 5))
    return rng.choice(["\n", " "]).join(maker(rng)[1] for maker in makers)


def sample_text(seed: int, conversations: int) -> str:
    """Render the first conversations of a corpus.

    Parameters: the seed and how many. Returns their text.
    """
    rng = random.Random(seed)
    return "\n".join(render(*conversation(rng)) for _ in range(conversations))


def digest(seed: int, conversations: int = 500) -> str:
    """Identify a corpus.

    Parameters: the seed and how many conversations to read. Returns the SHA-256 of their text.
    """
    return hashlib.sha256(sample_text(seed, conversations).encode()).hexdigest()


def plain(question: str) -> str:
    """Reduce a question to what noise can't change.

    Parameters: the question. Returns it in lower case without punctuation, greeting and thanks.
    """
    text = POLITE_SUFFIX.sub("", POLITE_PREFIX.sub("", question.lower()))
    return re.sub(r"[^\w ]+", "", text).strip()


def contradictions() -> list[str]:
    """Find questions that are trained with two answers or that leak from the test into training.

    Returns one line per problem, none if the tables are sound.
    """
    trained = [question for question in QUESTIONS if question.split == "train"]
    answers = {plain(question.text): question.answer for question in trained}
    doubtful = [q.text for q in trained if answers[plain(q.text)] != q.answer]
    leaks = [q.text for q in QUESTIONS if q.split != "train" and plain(q.text) in answers]
    return [*(f"two answers: {text}" for text in doubtful), *(f"tested but trained: {text}" for text in leaks)]


def check(seed: int) -> int:
    """Test that the corpus is the same twice and free of contradictions.

    Parameters: the seed. Returns 0 if both hold, else 1.
    """
    first, second, other = digest(seed), digest(seed), digest(seed + 1)
    problems = contradictions()
    print(f"sha256 of 500 conversations, seed {seed}: {first}")
    print(f"same seed, same text: {first == second}, other seed, other text: {first != other}")
    print(f"questions: {dict(Counter(question.split for question in QUESTIONS))}")
    print(f"facts: {len({(question.group, question.fact) for question in QUESTIONS})}, problems: {len(problems)}")
    print(*problems, sep="\n")
    return 0 if first == second != other and not problems else 1


def main() -> int:
    """Run the command line. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the corpus (default: %(default)s)")
    parser.add_argument("--count", type=int, default=5, help="how many conversations to print (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="test the corpus instead of printing it")
    options = parser.parse_args()
    if options.check:
        return check(options.seed)
    print(sample_text(options.seed, options.count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
