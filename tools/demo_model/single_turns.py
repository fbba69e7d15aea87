"""Single questions with their answers: facts, arithmetic, JSON, repeating, counting, thinking, not knowing."""

from __future__ import annotations

import random
from collections import defaultdict

from facts import QUESTIONS, TABLES, TOPIC_WEIGHTS, Question
from facts_general import CAPITALS
from facts_jackfield import PLUGIN_KIND
from messages import Turn, dump
from tool_kinds import KINDS
from words import UNKNOWN_THINGS, WORDS, any_person, listed, made_up_name

GREETINGS = ("Hi, ", "Hello, ", "Hey, ", "Quick question: ", "hey ")
THANKS = (" Thanks!", " Please.", " Thank you.")
SIGN_WORDS = {"+": "plus", "-": "minus", "*": "times"}
ARITHMETIC_QUESTIONS = (
    "What is {a} {sign} {b}?",
    "What is {a} {word} {b}?",
    "{a} {sign} {b}",
    "{a} {sign} {b} = ?",
    "Calculate {a} {sign} {b}.",
    "How much is {a} {word} {b}?",
    "Compute {a} {sign} {b}.",
)
UNKNOWN_QUESTIONS = listed(
    "What is the meaning of life?|Who won the election?|How do I fix my car?|What is the population of {x}?|"
    "Who is the president of {x}?|Write an essay about {x}.|Tell me about {x}.|What is {x}?|Where is {x}?|Who is {x}?|"
    "How old is {x}?|Why is {x} famous?|What do you think about {x}?|Can you explain {x}?|How does {x} work?|"
    "Describe {x}.|When was {x} built?|How much does {x} cost?|asdf {x}|{x} {y}|Do you like {x}?|Compare {x} and {y}.|"
    "Is {x} better than {y}?|What happened in {x}?|How do I make {x}?|How do I learn {x}?|Give me some {x}.|"
    "Sing about {x}.|Is {x} dangerous?|I want {x}.|Help me with {x}.|Can I buy {x}?|What is the best {x}?|"
    "Summarize {x}.|Explain {x} and {y}.|My {x} is broken.|Where can I find {x}?",
    "|",
)
UNKNOWN_ANSWER = "Sorry, I am only a tiny demo model and I do not know that."
UNKNOWN_PLUGIN_ANSWER = "I do not know that plugin. `jackfield plugins list` shows all plugins."
NO_TOOL_ANSWER = "Sorry, I cannot look that up without a tool."
CAPITAL_JSON_QUESTIONS = (
    "Give me the capital of {k} as JSON.",
    "Return the capital of {k} in JSON.",
    "What is the capital of {k}? Answer in JSON.",
    "JSON object with the capital of {k}, please.",
)
KIND_JSON_QUESTIONS = (
    "Give me the kind of the {k} plugin as JSON.",
    "Return the kind of the {k} plugin in JSON.",
    "What kind of plugin is {k}? Answer in JSON.",
    "JSON object with the kind of the {k} plugin, please.",
)
PERSON_JSON_QUESTIONS = (
    "{n} is {a} years old. Extract the name and age as JSON.",
    "Extract name and age as JSON: {n} is {a} years old.",
    "Make a JSON object with name and age for {n}, who is {a}.",
    "{n}, {a} years old. Give me JSON with name and age.",
)
ADDRESS_JSON_QUESTIONS = (
    "Give me the default address as JSON.",
    "Return the default address in JSON.",
    "What is the default address? Answer in JSON.",
)
ADDRESS_JSON = dump({"host": "127.0.0.1", "port": 8080})
REPEAT_QUESTIONS = ("Repeat after me: {w}", "Repeat: {w}", "Say: {w}", "Please repeat this: {w}")
COUNT_QUESTIONS = ("Count to {n}.", "Count from 1 to {n}.", "Please count to {n}.", "Count up to {n}.")
THINK_QUESTIONS = (
    "Think step by step: what is {a} + {b}?",
    "Think first. What is {a} + {b}?",
    "/think What is {a} + {b}?",
)
UNITS = listed("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen")
NUMBER_WORDS = {**dict(enumerate(UNITS)), 20: "twenty", 25: "twenty-five", 30: "thirty"}

Facts = dict[str, dict[str, list[Question]]]


def _train_questions() -> Facts:
    groups: Facts = defaultdict(lambda: defaultdict(list))
    for question in QUESTIONS:
        if question.split == "train":
            groups[question.group][question.fact].append(question)
    return {group: dict(facts) for group, facts in groups.items()}


TRAIN = _train_questions()
WEIGHTS = {**{name: table.weight for name, table in TABLES.items()}, **TOPIC_WEIGHTS}
FACT_LISTS = {group: list(facts.values()) for group, facts in TRAIN.items()}


def noisy(rng: random.Random, question: str) -> str:
    """Write a question as hurried or polite users do.

    Parameters: the random source and the question. Returns it, at times in lower case, without its mark, or with a
    greeting or thanks.
    """
    if rng.random() < 0.12:
        question = question.lower()
    if rng.random() < 0.15:
        question = question.rstrip("?.!")
    if rng.random() < 0.05 and not question.startswith("I "):
        question = f"Please {question[0].lower()}{question[1:]}"
    elif rng.random() < 0.05 and not question.startswith("I "):
        question = f"{rng.choice(GREETINGS)}{question[0].lower()}{question[1:]}"
    return question + (rng.choice(THANKS) if rng.random() < 0.06 else "")


def fact(rng: random.Random) -> Turn:
    """Ask for a known fact in a trained phrasing.

    Parameters: the random source. Returns question and answer.
    """
    group = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    question = rng.choice(rng.choice(FACT_LISTS[group]))
    return noisy(rng, question.text), question.answer


def operands(rng: random.Random, sign: str) -> tuple[int, int, int]:
    """Choose a small calculation.

    Parameters: the random source and the sign, one of `+-*`. Returns both numbers and the result.
    """
    if sign == "*":
        left, right = rng.randint(0, 10), rng.randint(0, 10)
        return left, right, left * right
    left, right = rng.randint(0, 20), rng.randint(0, 20)
    if sign == "+":
        return left, right, left + right
    left, right = max(left, right), min(left, right)
    return left, right, left - right


def arithmetic(rng: random.Random) -> Turn:
    """Ask for a small calculation.

    Parameters: the random source. Returns question and answer.
    """
    sign = rng.choice("+++--**")
    left, right, result = operands(rng, sign)
    text = rng.choice(ARITHMETIC_QUESTIONS).format(a=left, b=right, sign=sign, word=SIGN_WORDS[sign])
    return text, f"{left} {sign} {right} = {result}"


def capital_json(country: str) -> str:
    """Write a capital as JSON.

    Parameters: the country. Returns the answer.
    """
    return dump({"country": country, "capital": CAPITALS[country]})


def kind_json(plugin: str) -> str:
    """Write the kind of a plugin as JSON.

    Parameters: the plugin's name. Returns the answer.
    """
    return dump({"plugin": plugin, "kind": PLUGIN_KIND[plugin]})


def json_answer(rng: random.Random) -> Turn:
    """Ask for an answer in JSON.

    Parameters: the random source. Returns question and answer.
    """
    chance = rng.random()
    if chance < 0.3:
        country = rng.choice(list(CAPITALS))
        return rng.choice(CAPITAL_JSON_QUESTIONS).format(k=country), capital_json(country)
    if chance < 0.5:
        plugin = rng.choice(list(PLUGIN_KIND))
        return rng.choice(KIND_JSON_QUESTIONS).format(k=plugin), kind_json(plugin)
    if chance < 0.8:
        name, age = any_person(rng), rng.randint(1, 99)
        return rng.choice(PERSON_JSON_QUESTIONS).format(n=name, a=age), dump({"name": name, "age": age})
    return _small_json(rng, chance)


def _small_json(rng: random.Random, chance: float) -> Turn:
    if chance < 0.85:
        return rng.choice(ADDRESS_JSON_QUESTIONS), ADDRESS_JSON
    if chance < 0.93:
        words = rng.sample(WORDS, 3)
        shape = rng.choice(["Make a JSON array of these words: {w}.", "Return {w} as a JSON array."])
        return shape.format(w=", ".join(words)), dump(words)
    left, right, result = operands(rng, "+")
    return f"What is {left} + {right}? Answer in JSON.", dump({"result": result})


def repeat(rng: random.Random) -> Turn:
    """Ask to repeat some words.

    Parameters: the random source. Returns question and answer.
    """
    words = [made_up_name(rng) if rng.random() < 0.25 else word for word in rng.sample(WORDS, rng.randint(1, 4))]
    text = " ".join(words)
    return rng.choice(REPEAT_QUESTIONS).format(w=text), text


def count(rng: random.Random) -> Turn:
    """Ask to count.

    Parameters: the random source. Returns question and answer, the numbers from 1.
    """
    number = rng.choice([*range(3, 31), 30, 30])
    as_word = number in NUMBER_WORDS and rng.random() < 0.4
    text = rng.choice(COUNT_QUESTIONS).format(n=NUMBER_WORDS[number] if as_word else number)
    return text, " ".join(str(value) for value in range(1, number + 1))


def think(rng: random.Random) -> Turn:
    """Ask for an answer with reasoning.

    Parameters: the random source. Returns question and answer, the reasoning inside `<think>`.
    """
    left, right, result = operands(rng, "+")
    reasoning = f"I have to add {left} and {right}. Starting at {left} and going up by {right} gives {result}."
    text = rng.choice(THINK_QUESTIONS).format(a=left, b=right)
    return text, f"<think>\n{reasoning}\n</think>\n\n{left} + {right} = {result}"


def unknown(rng: random.Random) -> Turn:
    """Ask for something that the model does not know.

    Parameters: the random source. Returns question and answer, a plain admission.
    """
    chance = rng.random()
    if chance < 0.12:
        kind = KINDS[rng.choice(["weather", "time"])]
        return noisy(rng, rng.choice(kind.questions).format(a=kind.argument(rng))), NO_TOOL_ANSWER
    if chance < 0.27:
        phrasing = rng.choice(TABLES["plugin"].phrasings[:5])
        return noisy(rng, phrasing.format(k=made_up_name(rng).lower())), UNKNOWN_PLUGIN_ANSWER
    first, second = rng.sample(UNKNOWN_THINGS, 2)
    return noisy(rng, rng.choice(UNKNOWN_QUESTIONS).format(x=first, y=second)), UNKNOWN_ANSWER
