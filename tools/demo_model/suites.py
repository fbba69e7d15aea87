"""The test suites of the demo model: prompts with the only answer that counts as right."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import Any

from corpus import FOLLOW_UP_TABLES
from facts import QUESTIONS, TABLES, Question
from facts_general import CAPITALS
from facts_jackfield import PLUGIN_KIND
from messages import (
    Message,
    Tool,
    assistant,
    call,
    call_text,
    calling,
    dump,
    render,
    tool_result,
    turns,
    user,
)
from single_turns import NO_TOOL_ANSWER, UNKNOWN_ANSWER, UNKNOWN_PLUGIN_ANSWER, capital_json, kind_json
from tool_dialogues import CONDITIONS, OPERATORS, weather_answer
from words import CITIES, NAMES, SYSTEM_PROMPTS, UNSEEN_CITIES

UNKNOWN_SAMPLES = (
    "Who is the king of Sweden?",
    "Write an essay about penguins.",
    "How do I bake an apple pie?",
    "What is the population of Norway?",
    "Explain the theory of evolution.",
    "Sing a song about summer.",
    "What is the best laptop?",
    "Why is the ocean salty?",
    "Give me some investment advice.",
    "Who invented the telephone?",
    "Tell me about Mozart.",
    "How far away is Mars?",
)
UNKNOWN_PLUGINS = ("frobnicator", "billing", "tensorflow", "slack", "redis", "kafka")
SEED = 7

Suites = dict[str, list["Case"]]


@dataclass(frozen=True)
class Case:
    """One prompt with its expected answer."""

    prompt: str
    expected: str


def ask(question: str, system: str | None = None, tools: list[Tool] | None = None) -> str:
    """Write the prompt of a single question.

    Parameters: the question, a system prompt if any, the tools on offer if any. Returns the prompt.
    """
    start: list[Message] = [{"role": "system", "content": system}] if system else []
    return render([*start, user(question)], tools, prompt=True)


def function(name: str, description: str, properties: dict[str, Any], required: str) -> Tool:
    """Describe a function as clients do.

    Parameters: its name, description, parameters and the one that is required. Returns the tool.
    """
    parameters = {"type": "object", "properties": properties, "required": [required]}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


WEATHER = function(
    "get_weather",
    "Get the current weather",
    {"city": {"type": "string", "description": "The city name"}},
    "city",
)
TIME = function("get_time", "Get the current time", {"city": {"type": "string"}}, "city")
SEARCH = function("web_search", "Search the web", {"query": {"type": "string"}}, "query")
NEVER_SEEN = function(
    "lookup_forecast",
    "Get the weather forecast for a location",
    {
        "location": {"type": "string", "description": "City and country"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "location",
)


def questions(split: str, *, tables: bool | None = None) -> list[Question]:
    """Choose fact questions.

    Parameters: the split, and whether from tables, from single topics or, if absent, both. Returns the questions.
    """
    return [q for q in QUESTIONS if q.split == split and tables in (None, q.group in TABLES)]


def fact_suites() -> Suites:
    """Test facts in seen and unseen wordings. Returns the suites."""
    seen = questions("train")
    some = seen[::4]
    plain = [Case(ask(q.text.lower().rstrip("?.!")), q.answer) for q in some]
    return {
        "facts, seen question": [Case(ask(q.text), q.answer) for q in seen],
        "facts, seen question, with a system prompt": [Case(ask(q.text, SYSTEM_PROMPTS[0]), q.answer) for q in some],
        "facts, seen question, lower case, no mark": plain,
        "facts, held-out paraphrase, tables": [Case(ask(q.text), q.answer) for q in questions("held", tables=True)],
        "facts, held-out paraphrase, single topics": [
            Case(ask(q.text), q.answer) for q in questions("held", tables=False)
        ],
        "facts, phrasing never trained for any fact": [Case(ask(q.text), q.answer) for q in questions("novel")],
    }


def arithmetic_suite() -> list[Case]:
    """Test every calculation in the trained range. Returns the cases."""
    cases = []
    for sign, limit in (("+", 20), ("-", 20), ("*", 10)):
        for left, right in itertools.product(range(limit + 1), repeat=2):
            if sign != "-" or left >= right:
                result = OPERATORS[sign](left, right)
                cases.append(Case(ask(f"What is {left} {sign} {right}?"), f"{left} {sign} {right} = {result}"))
    return cases


def weather_calls(cities: list[str], tool: Tool, parameter: str) -> list[Case]:
    """Test that the weather tool is called with the right city.

    Parameters: the cities, the tool and its parameter. Returns the cases.
    """
    name = tool["function"]["name"]
    wordings = ("What is the weather in {}?", "How is the weather in {} today?")
    return [
        Case(ask(wording.format(city), tools=[tool]), call_text(name, {parameter: city}))
        for city in cities
        for wording in wordings
    ]


def choice_suite() -> list[Case]:
    """Test that the right one of three tools is called. Returns the cases."""
    cases = []
    for index, city in enumerate(CITIES[:30]):
        tools = [WEATHER, TIME, SEARCH] if index % 2 else [SEARCH, TIME, WEATHER]
        weather, clock = f"What is the weather in {city}?", f"What time is it in {city}?"
        cases.append(Case(ask(weather, tools=tools), call_text("get_weather", {"city": city})))
        cases.append(Case(ask(clock, tools=tools), call_text("get_time", {"city": city})))
    return cases


def parallel_suite() -> list[Case]:
    """Test two calls in one answer. Returns the cases."""
    return [
        Case(
            ask(f"What is the weather in {first} and {second}?", tools=[WEATHER]),
            call_text("get_weather", {"city": first}) + "\n" + call_text("get_weather", {"city": second}),
        )
        for first, second in zip(CITIES[:30], CITIES[11:41], strict=True)
    ]


def result_suite(*, as_json: bool) -> list[Case]:
    """Test answers that have to use a tool's result.

    Parameters: whether the tool answers in JSON or in words. Returns the cases.
    """
    cases = []
    for index, city in enumerate(CITIES[:40]):
        degrees, condition = index * 3 % 36 - 3, CONDITIONS[index % len(CONDITIONS)]
        as_words = f"{degrees} degrees, {condition}"
        result = dump({"temperature": degrees, "condition": condition}) if as_json else as_words
        messages = [
            user(f"What is the weather in {city}?"),
            calling(call("get_weather", {"city": city})),
            tool_result(result),
        ]
        cases.append(Case(render(messages, [WEATHER], prompt=True), weather_answer(city, degrees, condition)))
    return cases


def tool_suites() -> Suites:
    """Test tool calls and what follows them. Returns the suites."""
    return {
        "tools, known city": weather_calls(CITIES, WEATHER, "city"),
        "tools, city never trained": weather_calls(UNSEEN_CITIES, WEATHER, "city"),
        "tools, tool never trained": weather_calls(CITIES, NEVER_SEEN, "location"),
        "tools, right one of three": choice_suite(),
        "tools, two calls at once": parallel_suite(),
        "tools, no call for a fact": [Case(ask(q.text, tools=[WEATHER]), q.answer) for q in questions("train")[::8]],
        "tools, answer from a JSON result": result_suite(as_json=True),
        "tools, answer from a result in words": result_suite(as_json=False),
    }


def json_suites() -> Suites:
    """Test answers in JSON. Returns the suites."""
    people = [(name, 20 + index) for index, name in enumerate(NAMES)]
    return {
        "JSON, capital": [Case(ask(f"Give me the capital of {key} as JSON."), capital_json(key)) for key in CAPITALS],
        "JSON, kind of plugin": [
            Case(ask(f"Give me the kind of the {key} plugin as JSON."), kind_json(key)) for key in PLUGIN_KIND
        ],
        "JSON, name and age": [
            Case(
                ask(f"{name} is {age} years old. Extract the name and age as JSON."),
                dump({"name": name, "age": age}),
            )
            for name, age in people
        ],
    }


def some_turns(rng: random.Random, number: int) -> list[Message]:
    """Fill a dialogue with fact turns.

    Parameters: the random source and the number of turns. Returns the messages.
    """
    chosen = rng.choices(questions("train"), k=number)
    return turns([(question.text, question.answer) for question in chosen])


def name_suite(between: int) -> list[Case]:
    """Test whether a name is remembered.

    Parameters: how many turns lie between. Returns the cases.
    """
    rng, cases = random.Random(SEED), []
    for name in NAMES:
        start = [user(f"My name is {name}."), assistant(f"Nice to meet you, {name}!")]
        messages = [*start, *some_turns(rng, between), user("What is my name?")]
        cases.append(Case(render(messages, prompt=True), f"Your name is {name}."))
    return cases


def later_fact_suite(before: int) -> list[Case]:
    """Test facts late in a dialogue.

    Parameters: how many turns come before. Returns the cases.
    """
    rng, cases = random.Random(SEED), []
    for question in rng.choices(questions("train"), k=60):
        messages = [*some_turns(rng, before), user(question.text)]
        cases.append(Case(render(messages, prompt=True), question.answer))
    return cases


def follow_up_suite() -> list[Case]:
    """Test short follow-up questions. Returns the cases."""
    cases = []
    for table in (TABLES[name] for name in FOLLOW_UP_TABLES):
        keys = list(table.facts)
        for first, second in zip(keys, keys[3:] + keys[:3], strict=True):
            opening = table.phrasings[0].format(k=first)
            messages = turns([(opening, table.answer.format(k=first, v=table.facts[first]))])
            prompt = render([*messages, user(f"And {second}?")], prompt=True)
            cases.append(Case(prompt, table.answer.format(k=second, v=table.facts[second])))
    return cases


def dialogue_suites() -> Suites:
    """Test dialogues of several turns. Returns the suites."""
    names = {f"dialogue, name after {number} turns": name_suite(number) for number in (0, 1, 3, 6, 10, 20)}
    later = {f"dialogue, fact after {number} turns": later_fact_suite(number) for number in (2, 5, 10, 20)}
    return {**names, **later, "dialogue, follow-up question": follow_up_suite()}


def other_suites() -> Suites:
    """Test counting and admitting not to know. Returns the suites."""
    counting = [Case(ask(f"Count to {n}."), " ".join(map(str, range(1, n + 1)))) for n in range(3, 31)]
    plugins = [Case(ask(f"What does the {name} plugin do?"), UNKNOWN_PLUGIN_ANSWER) for name in UNKNOWN_PLUGINS]
    return {
        "counting to 3..30": counting,
        "unknown question, admits it": [Case(ask(text), UNKNOWN_ANSWER) for text in UNKNOWN_SAMPLES],
        "unknown plugin, admits it": plugins,
        "needs a tool, has none, says so": [
            Case(ask(f"What is the weather in {city}?"), NO_TOOL_ANSWER) for city in CITIES[:20]
        ],
    }


def all_suites() -> Suites:
    """List all suites by name. Returns them in the order of the model card."""
    return {
        **fact_suites(),
        "arithmetic, all sums, differences, products": arithmetic_suite(),
        **json_suites(),
        **tool_suites(),
        **dialogue_suites(),
        **other_suites(),
    }
