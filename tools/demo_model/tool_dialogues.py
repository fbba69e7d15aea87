"""Dialogues in which the model calls tools and reads their results."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable

from messages import Message, Tool, call, calling, dump, tool_result, user
from single_turns import arithmetic, fact, noisy
from tool_kinds import KINDS, MadeTool, make_tool
from words import CITIES, SYSTEM_PROMPTS, WORDS, any_city

CONDITIONS = ("sunny", "cloudy", "rainy", "windy", "foggy", "snowy", "clear")
TEMPERATURE_KEYS = ("temperature", "temp", "temp_c", "temperature_c", "celsius", "degrees")
CONDITION_KEYS = ("condition", "condition", "conditions", "sky", "weather", "summary")
PLAIN_RESULTS = (
    "{t} degrees, {c}",
    "{c}, {t} C",
    "{t}C and {c}",
    "{c} with {t} degrees",
    "Temperature: {t}, condition: {c}",
    "{t} C, {c}",
)
TWO_CITIES = (
    "What is the weather in {a} and {b}?",
    "Compare the weather in {a} and {b}.",
    "How is the weather in {a} and in {b}?",
)
OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def weather_answer(city: str, degrees: int, condition: str) -> str:
    """Say what a weather tool has found.

    Parameters: the city, the temperature, the condition. Returns the sentence that the model answers with.
    """
    return f"The weather in {city} is {condition} with {degrees} degrees."


def _weather_fields(rng: random.Random, degrees: int, condition: str) -> str:
    fields: list[tuple[str, object]] = [
        (rng.choice(TEMPERATURE_KEYS), degrees),
        (rng.choice(CONDITION_KEYS), condition),
    ]
    if rng.random() < 0.3:
        fields.append(("unit", "celsius"))
    if rng.random() < 0.2:
        fields.append((rng.choice(["humidity", "wind"]), rng.randint(0, 99)))
    if rng.random() < 0.2:
        fields.append((rng.choice(["city", "location"]), rng.choice(CITIES)))
    rng.shuffle(fields)
    return dump(dict(fields))


def _weather(rng: random.Random, city: str) -> tuple[str, str]:
    degrees, condition = rng.randint(-5, 35), rng.choice(CONDITIONS)
    if rng.random() < 0.4:
        result = rng.choice(PLAIN_RESULTS).format(t=degrees, c=condition)
    else:
        result = _weather_fields(rng, degrees, condition)
    return result, weather_answer(city, degrees, condition)


def _time(rng: random.Random, city: str) -> tuple[str, str]:
    clock = f"{rng.randint(0, 23)}:{rng.randint(0, 59):02d}"
    return rng.choice([dump({"time": clock}), clock]), f"It is {clock} in {city}."


def _search(rng: random.Random, _term: str) -> tuple[str, str]:
    word = rng.choice(WORDS)
    return dump({"results": [word]}), f"I found: {word}."


def _mail(rng: random.Random, person: str) -> tuple[str, str]:
    return rng.choice(['{"status": "ok"}', "sent", '{"sent": true}']), f"The message to {person} was sent."


def _calculator(rng: random.Random, expression: str) -> tuple[str, str]:
    left, sign, right = expression.split()
    value = OPERATORS[sign](int(left), int(right))
    return rng.choice([dump({"result": value}), str(value)]), f"The result is {value}."


def _plugin(rng: random.Random, name: str) -> tuple[str, str]:
    return rng.choice(['{"status": "ok"}', "enabled", dump({"enabled": name})]), f"The {name} plugin is on."


RESULTS: dict[str, Callable[[random.Random, str], tuple[str, str]]] = {
    "weather": _weather,
    "time": _time,
    "search": _search,
    "mail": _mail,
    "calculator": _calculator,
    "plugin": _plugin,
}


def _two_calls(rng: random.Random, tool: MadeTool) -> list[Message]:
    first, second = any_city(rng), any_city(rng)
    messages = [
        user(rng.choice(TWO_CITIES).format(a=first, b=second)),
        calling(call(tool.name, {tool.parameter: first}), call(tool.name, {tool.parameter: second})),
    ]
    if rng.random() < 0.6:
        (result, answer), (other_result, other_answer) = _weather(rng, first), _weather(rng, second)
        messages += [tool_result(result), tool_result(other_result)]
        messages.append({"role": "assistant", "content": f"{answer} {other_answer}"})
    return messages


def _one_call(rng: random.Random, tool: MadeTool) -> list[Message]:
    kind = KINDS[tool.kind]
    argument = kind.argument(rng)
    question, arguments = rng.choice(kind.questions).format(a=argument), {tool.parameter: argument}
    if tool.unit and rng.random() < 0.5:
        arguments["unit"] = rng.choice(["celsius", "fahrenheit"])
        question = f"{question[:-1]} in {arguments['unit']}{question[-1]}"
    messages = [user(noisy(rng, question)), calling(call(tool.name, arguments))]
    if rng.random() < 0.7:
        result, answer = RESULTS[tool.kind](rng, argument)
        messages += [tool_result(result), {"role": "assistant", "content": answer}]
    return messages


def _no_call(rng: random.Random) -> list[Message]:
    question, answer = fact(rng) if rng.random() < 0.8 else arithmetic(rng)
    return [user(question), {"role": "assistant", "content": answer}]


def _choose_tools(rng: random.Random) -> list[MadeTool]:
    kinds = rng.sample(list(KINDS), rng.choice([1, 1, 1, 2, 2, 3]))
    if "weather" not in kinds and rng.random() < 0.5:
        kinds[0] = "weather"
    rng.shuffle(kinds)
    return [make_tool(rng, kind) for kind in kinds]


def _step(rng: random.Random, tools: list[MadeTool]) -> list[Message]:
    if rng.random() < 0.25:
        return _no_call(rng)
    tool = rng.choice(tools)
    if tool.kind == "weather" and rng.random() < 0.2:
        return _two_calls(rng, tool)
    return _one_call(rng, tool)


def tool_dialogue(rng: random.Random) -> tuple[list[Message], list[Tool]]:
    """Make a dialogue with tools on offer.

    Parameters: the random source. Returns the messages and the tools.
    """
    tools = _choose_tools(rng)
    messages: list[Message] = []
    if rng.random() < 0.3:
        messages.append({"role": "system", "content": rng.choice(SYSTEM_PROMPTS)})
    for _ in range(rng.choice([1, 1, 1, 2])):
        messages += _step(rng, tools)
        if messages[-1].get("tool_calls"):
            break
    return messages, [tool.schema for tool in tools]
