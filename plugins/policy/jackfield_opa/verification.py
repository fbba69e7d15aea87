"""What ``jackfield verify opa`` needs: a folder with policies, and questions that they decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.manifest import Table

POLICIES: Final = """
package jackfield

import rego.v1

default allow := false

allow if {
	input.principal.id == "kit/alice"
	input.action == "generate"
	input.resource.name == "demo"
	input.request.prompt_tokens <= 1000
	input.time.hour >= 6
}

reasons contains "not at night" if input.time.hour < 6

decision := {"allow": allow, "reasons": reasons, "obligations": {"max_tokens": 256}}
"""

STRICTER: Final = POLICIES.replace("kit/alice", "kit/bob")

BROKEN: Final = """
package jackfield

default allow := false

allow if {
"""


def prepare(folder: Path) -> dict[str, Table]:
    """Make the policies in *folder*; what the plugin's options and the kit's words are then."""
    file = folder / "jackfield.rego"
    file.write_text(POLICIES)
    allowed = asked("kit/alice", 12)
    return {
        "config": {"policies": str(folder), "store": True},
        "policy": {
            "allowed": allowed,
            "obliged": allowed,
            "obligations": {"max_tokens": 256},
            "denied": asked("kit/alice", 3),
            "ceiling": "prompt_tokens",
            "file": str(file),
            "stricter": STRICTER,
            "broken": BROKEN,
            "documents": {"stricter.rego": document(STRICTER)},
            "broken_document": document(BROKEN),
        },
    }


def asked(who: str, hour: int) -> dict[str, object]:
    """May *who* generate with the demo model at *hour*?"""
    return {
        "action": "generate",
        "principal": {"id": who},
        "resource": {"kind": "model", "name": "demo"},
        "request": {"route": "/v1/chat/completions", "method": "POST", "prompt_tokens": 10, "max_tokens": 300},
        "time": {"unix": 1767603600, "weekday": 1, "hour": hour, "minute": 0},
        "client": "192.0.2.7",
    }


def document(policies: str) -> str:
    """*policies* as the policy store has them."""
    return msgspec.json.encode({"rego": policies}).decode()
