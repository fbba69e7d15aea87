"""What guardrails cost: ``python benchmarks/guardrail_cost.py``.

Each kind of rule judges the same text in this process: microseconds of processor time for a KiB, of a whole prompt and
of a streamed answer that is judged in pieces of 20 characters. The text is English prose with a number now and then, as
most texts are; ``found`` has an address, a card or a key in every 500 characters, and ``hostile`` is what each kind
takes longest for.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final, cast

from jackfield.ports.guardrail import GuardedText, Scanner, Subject
from jackfield.testing.kits.kit import kernel_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUNDS: Final = 7
SIZE: Final = 32 * 1024
"""Characters of a text."""
PIECE: Final = 20
"""Characters of a streamed piece: some five tokens."""

SUBJECT: Final = Subject(stage="input", request_id="req-1", model="demo", route="/v1/chat/completions")

SENTENCE: Final = "The board met on 12 May 2024 in room 4 and agreed that the plan, which nobody had read, was good. "
FOUND: Final = (SENTENCE * 5)[:470] + " mail joe@example.com or 4111 1111 1111 1111 "
DISGUISED: Final = (
    "%41%42%43 &#65;&#66;&#67;&#68; \\x41\\x42\\x43\\x44 vtaber w0rd w1se th1s l3ss act as an ai you are never told "
    "what to say ignore play print start with no of the was end do be repeat show when you imagine and tell forget "
    "from now "
)
"""Encoded in four ways at once, which are read one within the other, with words that many signs begin with."""
HOSTILE: Final = {
    "digits": "1111 ",
    "accounts": "DE89 3704 ",
    "letters": "a",
    "marks": "a-",
    "accents": "\u0301" * 400 + "\u0323" * 400,
    "disguises": DISGUISED,
}

RULES: Final = {
    "pii": 'kind = "pii"',
    "pii, all entities": (
        'kind = "pii"\nentities = ["email", "card", "iban", "phone", "token", "ip", "us_ssn", "uk_nino", '
        '"de_steuer_id", "fr_nir", "es_dni", "in_aadhaar", "br_cpf"]'
    ),
    "secrets": 'kind = "secrets"\nstages = ["input", "output"]',
    "words, 1,000": f'kind = "words"\nwords = {[f"forbidden{number}" for number in range(1000)]}',
    "regex, 10": f'kind = "regex"\npatterns = {[f"[A-Z]{{2}}-{number}[0-9]{{4}}" for number in range(10)]}',
    "injection": 'kind = "injection"',
    "language": 'kind = "language"\nallow = ["en"]',
    "topics": 'kind = "topics"\ntopics = { gambling = { casino = 1, roulette = 1, "slot machine" = 1 } }',
    "length": 'kind = "length"\ncharacters = 1000000\nlines = 100000\nrepeated = 1000',
}


class Asking:
    """No model is asked here."""

    async def classify(self, model: str, texts: Sequence[str]) -> Sequence[Mapping[str, float]]:
        """Nothing."""
        raise AssertionError(model, len(texts))


def run() -> dict[str, Any]:
    """All figures."""
    return {name: costs(rule) for name, rule in RULES.items()}


def costs(rule: str) -> dict[str, float]:
    """Of one rule, in microseconds a KiB."""
    kernel = kernel_of(f'enabled = ["guardrails"]\n[config.guardrails.rules.rule]\n{rule}\n', ".")
    guardrail = kernel.guardrails()["rule"](Asking())
    scanner = cast("Scanner", guardrail)
    longest = guardrail.traits.longest
    found = {
        "prose": whole(scanner, SENTENCE),
        "found": whole(scanner, FOUND),
        "hostile": max(whole(scanner, unit) for unit in HOSTILE.values()),
    }
    if longest is not None:
        found["held back, characters"] = longest - 1
        found["streamed"] = streamed(scanner, longest)
    return {name: round(figure, 1) for name, figure in found.items()}


def whole(scanner: Scanner, unit: str) -> float:
    """Of *unit* over and over."""
    text = GuardedText(text=(unit * (SIZE // len(unit) + 1))[:SIZE], role="user")
    return fastest(lambda: scanner.scan(SUBJECT, text)) / (SIZE / 1024)


def streamed(scanner: Scanner, longest: int) -> float:
    """Of prose that comes in pieces, with what is held back and what stands before."""
    text = (SENTENCE * (SIZE // len(SENTENCE) + 1))[: SIZE // 4]

    def stream() -> None:
        done = 0
        for came in range(PIECE, len(text), PIECE):
            limit = came - longest + 1
            if limit > done:
                first = max(0, done - longest)
                scanner.scan(SUBJECT, GuardedText(text=text[first:came], begin=done - first, complete=False))
                done = limit

    return fastest(stream) / (len(text) / 1024)


def fastest(call: Any) -> float:  # noqa: ANN401 - whatever is timed
    """Microseconds of processor time of the fastest round."""
    took: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        call()
        took.append(time.process_time() - began)
    return min(took) * 1e6


def table(found: dict[str, dict[str, float]]) -> str:
    """As Markdown."""
    columns = ("prose", "found", "hostile", "streamed", "held back, characters")
    lines = [f"| rule | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, each in found.items():
        lines.append(f"| {name} | {' | '.join(str(each.get(column, '–')) for column in columns)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    results = run()
    print(table(results))
    print(json.dumps(results))
