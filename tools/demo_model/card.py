"""Write the measured figures into the model card, so that its table can't differ from `figures.json`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).with_name("figures.json")
CARD = Path(__file__).parents[2] / "kernel" / "jackfield" / "models" / "README.md"
START, END = "<!-- figures: start -->\n", "<!-- figures: end -->\n"


def table(figures: dict[str, Any]) -> str:
    """Write the figures as a Markdown table.

    Parameters: the content of figures.json. Returns the table and a line about the file it was measured on.
    """
    rows = [f"| {name} | {s['right']} of {s['total']} | {s['percent']} % |" for name, s in figures["suites"].items()]
    model, tokenizer = figures["model"], figures["tokenizer"]
    measured = (
        f"Measured on the file with SHA-256 `{model['sha256']}` ({model['bytes']:,} bytes). Its tokenizer gave the same"
        f" tokens in llama.cpp as in training for {tokenizer['texts'] - tokenizer['different_tokens']} of"
        f" {tokenizer['texts']} texts."
    )
    lines = [measured, "", "| test | right | share |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def update(card: str, figures: dict[str, Any]) -> str:
    """Put the table between the marks of the card.

    Parameters: the card and the figures. Returns the new card.
    """
    before, rest = card.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n{table(figures)}\n{END}{after}"


def main() -> int:
    """Run the command line. Returns the exit status, 1 if `--check` finds an old table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, default=FIGURES, help="figures to show (default: %(default)s)")
    parser.add_argument("--card", type=Path, default=CARD, help="card to change (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="change nothing, fail if the card is out of date")
    options = parser.parse_args()
    old = options.card.read_text(encoding="utf-8")
    new = update(old, json.loads(options.figures.read_text(encoding="utf-8")))
    if not options.check:
        options.card.write_text(new, encoding="utf-8")
    return int(options.check and old != new)


if __name__ == "__main__":
    sys.exit(main())
