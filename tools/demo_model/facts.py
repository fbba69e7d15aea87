"""What the demo model knows: tables of facts and single topics, as plain data.

A `Table` is a set of facts of one shape (`What does the fair plugin do?`); a `Topic` is one answer with its own
questions. Every question belongs to one split: `train` (seen), `held` (one paraphrase per fact, never trained) or
`novel` (a phrasing of a table that is trained for none of its facts).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import facts_general
import facts_jackfield
from fact_types import Table, Topic

TABLES: dict[str, Table] = {**facts_jackfield.TABLES, **facts_general.TABLES}
TOPICS: dict[str, tuple[Topic, ...]] = {"jackfield": facts_jackfield.TOPICS, "general": facts_general.TOPICS}
TOPIC_WEIGHTS = {"jackfield": 26.0, "general": 14.0}


@dataclass(frozen=True)
class Question:
    """One question with its only right answer.

    Parameters: `group` is the table or topic group, `fact` names the fact inside it, `split` is `train`, `held` or
    `novel`.
    """

    group: str
    fact: str
    text: str
    answer: str
    split: str


def held_index(group: str, fact: str, count: int) -> int:
    """Choose the paraphrase of a fact that is kept out of training.

    Parameters: the table's name, the fact's key, the number of phrasings. Returns an index that is never 0, the plain
    phrasing.
    """
    return 1 + zlib.crc32(f"{group}:{fact}".encode()) % (count - 1)


def table_questions(name: str, table: Table) -> list[Question]:
    """List all questions of a table.

    Parameters: the table's name and the table. Returns its questions in every phrasing, each with its split.
    """
    questions: list[Question] = []
    for key, value in table.facts.items():
        answer = table.answer.format(k=key, v=value)
        held = held_index(name, key, len(table.phrasings))
        for index, phrasing in enumerate(table.phrasings):
            split = "held" if index == held else "train"
            questions.append(Question(name, key, phrasing.format(k=key), answer, split))
        questions.extend(Question(name, key, text.format(k=key), answer, "novel") for text in table.novel)
    return questions


def topic_questions(group: str, topics: tuple[Topic, ...]) -> list[Question]:
    """List all questions of a group of topics.

    Parameters: the group's name and its topics. Returns the questions; the last one of each topic is `held`.
    """
    return [
        Question(group, topic.questions[0], text, topic.answer, "held" if text == topic.questions[-1] else "train")
        for topic in topics
        for text in topic.questions
    ]


def all_questions() -> list[Question]:
    """List every fact question that the model is trained or tested on.

    Returns the questions of all tables, then of all topics, in a fixed order.
    """
    questions: list[Question] = []
    for name, table in TABLES.items():
        questions.extend(table_questions(name, table))
    for group, topics in TOPICS.items():
        questions.extend(topic_questions(group, topics))
    return questions


QUESTIONS: list[Question] = all_questions()
