"""Kinds of tools that appear in the dialogues, with random names and parameters."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from facts_jackfield import PLUGIN_WORK
from messages import Tool
from words import NAMES, UNKNOWN_THINGS, WORDS, any_city, listed

VERBS = listed("get fetch lookup query read find load show check retrieve do run call request")
OTHER_PARAMETERS = listed("name value input arg text target city_name location_name where loc area region")
NAME_SHAPES = ("{verb}_{noun}", "{noun}_{verb}", "{verb}_{noun}_{extra}", "{noun}", "{extra}_{noun}")
NAME_EXTRAS = [*WORDS, "api", "tool", "v2", "now", "data"]


@dataclass(frozen=True)
class ToolKind:
    """What a kind of tool may be called and how users ask for it.

    Parameters: `nouns` make up further names; `questions` are templates with `{a}`, filled by `argument`.
    """

    names: tuple[str, ...]
    parameters: tuple[str, ...]
    descriptions: tuple[str, ...]
    hints: tuple[str, ...]
    questions: tuple[str, ...]
    argument: Callable[[random.Random], str]
    nouns: tuple[str, ...]


@dataclass(frozen=True)
class MadeTool:
    """One tool of a dialogue.

    Parameters: its OpenAI-style `schema`, the `name` and `parameter` to call it by, and whether it takes a `unit`.
    """

    kind: str
    schema: Tool
    name: str
    parameter: str
    unit: bool


def _search_term(rng: random.Random) -> str:
    pair = f"{rng.choice(WORDS)} {rng.choice(WORDS)}"
    return rng.choice([*UNKNOWN_THINGS, *WORDS, pair])


def _expression(rng: random.Random) -> str:
    return f"{rng.randint(10, 999)} {rng.choice('+-*')} {rng.randint(10, 999)}"


KINDS = {
    "weather": ToolKind(
        ("get_weather", "get_current_weather", "weather", "weather_lookup", "fetch_weather", "getWeather"),
        ("city", "location", "place", "town"),
        (
            "Get the current weather",
            "Get the weather for a city",
            "Returns the weather in a place",
            "Look up the weather",
            "Get current weather information for a location",
        ),
        ("The city name", "The city", "Name of the place", "City, e.g. Paris", "The location"),
        (
            "What is the weather in {a}?",
            "What's the weather like in {a}?",
            "How is the weather in {a}?",
            "Tell me the weather in {a}.",
            "Is it raining in {a}?",
            "Weather in {a}?",
            "What is the weather like in {a} today?",
            "Do I need an umbrella in {a}?",
            "How warm is it in {a}?",
            "What is the temperature in {a}?",
        ),
        any_city,
        ("weather", "forecast", "climate", "conditions", "temperature", "weather_report", "city_weather"),
    ),
    "time": ToolKind(
        ("get_time", "current_time", "clock", "get_current_time", "time_in"),
        ("city", "timezone", "location", "place"),
        ("Get the current time", "Returns the time in a city", "Tell the local time"),
        ("The city name", "The place"),
        (
            "What time is it in {a}?",
            "Tell me the time in {a}.",
            "What is the local time in {a}?",
            "Current time in {a}?",
        ),
        any_city,
        ("time", "clock", "local_time"),
    ),
    "search": ToolKind(
        ("search", "web_search", "search_web", "find"),
        ("query", "q", "text", "term"),
        ("Search the web", "Find information on the internet", "Run a web search"),
        ("The search query", "What to search for"),
        (
            "Search for {a}.",
            "Search the web for {a}.",
            "Find information about {a}.",
            "Look up {a} on the internet.",
        ),
        _search_term,
        ("search", "results", "pages"),
    ),
    "mail": ToolKind(
        ("send_email", "send_mail", "mail", "send_message"),
        ("to", "recipient", "name"),
        ("Send an email", "Send a message to a person"),
        ("The recipient",),
        ("Send an email to {a}.", "Write a mail to {a}.", "Send a message to {a}."),
        lambda rng: rng.choice(NAMES),
        ("mail", "email", "message"),
    ),
    "calculator": ToolKind(
        ("calculate", "calculator", "calc", "evaluate"),
        ("expression", "expr", "formula"),
        ("Evaluate a math expression", "Calculate the result of an expression"),
        ("The expression",),
        (
            "Calculate {a} with the tool.",
            "Use the calculator for {a}.",
            "Please evaluate {a} with the calculator.",
        ),
        _expression,
        ("calculator", "result", "math"),
    ),
    "plugin": ToolKind(
        ("enable_plugin", "plugin_enable", "turn_on_plugin", "activate"),
        ("plugin", "name", "plugin_name"),
        ("Enable a plugin", "Turn on a plugin of the server", "Switch a plugin on"),
        ("The name of the plugin", "The plugin"),
        ("Enable the {a} plugin.", "Turn on {a}.", "Please enable {a}.", "Switch on the {a} plugin."),
        lambda rng: rng.choice(list(PLUGIN_WORK)),
        ("plugin", "plugins"),
    ),
}


def _name(rng: random.Random, kind: ToolKind) -> str:
    if rng.random() >= 0.4:
        return rng.choice(kind.names)
    shape = rng.choice(NAME_SHAPES)
    return shape.format(verb=rng.choice(VERBS), noun=rng.choice(kind.nouns), extra=rng.choice(NAME_EXTRAS))


def _parameters(rng: random.Random, kind: ToolKind, parameter: str, *, unit: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {parameter: {"type": "string"}}
    if rng.random() < 0.7:
        properties[parameter]["description"] = rng.choice(kind.hints)
    if unit:
        properties["unit"] = {"type": "string", "enum": ["celsius", "fahrenheit"]}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if rng.random() < 0.85:
        schema["required"] = [parameter]
    if rng.random() < 0.2:
        schema["additionalProperties"] = False
    return schema


def make_tool(rng: random.Random, kind_name: str) -> MadeTool:
    """Make one tool of a kind with a random name, parameter and wording.

    Parameters: the random source and a key of `KINDS`. Returns the tool.
    """
    kind = KINDS[kind_name]
    name = _name(rng, kind)
    parameter = rng.choice(OTHER_PARAMETERS if rng.random() < 0.2 else kind.parameters)
    unit = kind_name == "weather" and rng.random() < 0.3
    function: dict[str, Any] = {"name": name}
    if rng.random() < 0.85:
        function["description"] = rng.choice(kind.descriptions) + rng.choice(["", "."])
    function["parameters"] = _parameters(rng, kind, parameter, unit=unit)
    if rng.random() < 0.15:
        function["strict"] = True
    return MadeTool(kind_name, {"type": "function", "function": function}, name, parameter, unit)
