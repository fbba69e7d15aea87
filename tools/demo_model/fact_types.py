"""The two shapes in which facts are written down."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Facts of one shape.

    Parameters: `facts` maps a key to its value; `phrasings` are question templates with `{k}`; `novel` are templates
    used only to test; `answer` is a template with `{k}` and `{v}`; `weight` is how often the table is asked.
    """

    facts: dict[str, str]
    phrasings: tuple[str, ...]
    novel: tuple[str, ...]
    answer: str
    weight: float


@dataclass(frozen=True)
class Topic:
    """One answer and the questions that ask for it.

    Parameters: `answer`, then `questions`, of which the last is kept out of training.
    """

    answer: str
    questions: tuple[str, ...]


def topic(answer: str, *questions: str) -> Topic:
    """Write a topic down in one call.

    Parameters: the answer and at least four questions. Returns the topic.
    """
    if len(questions) < 4:
        raise ValueError(f"a topic needs four questions or more: {answer!r}")
    return Topic(answer, questions)
