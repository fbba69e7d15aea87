"""What ``jackfield verify cedar`` needs: a folder with policies, and questions that they decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

POLICIES: Final = """
@id("kit")
@obligation_max_tokens("256")
permit (principal == Principal::"kit/alice", action == Action::"generate", resource == Model::"demo")
when { context.request.prompt_tokens <= 1000 };

@id("nobody-at-night")
@reason("not at night")
forbid (principal, action, resource)
when { context.time.hour < 6 };
"""

STRICTER: Final = """
permit (principal == Principal::"kit/bob", action == Action::"generate", resource == Model::"demo");
"""

BROKEN: Final = """
permit (principal, action, resource)
when { context.request.prompt_token <= 1000 };
"""


def prepare(folder: Path) -> dict[str, dict[str, object]]:
    """Make the policies in *folder*; what the plugin's options and the kit's words are then."""
    file = folder / "policies.cedar"
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
            "documents": {"stricter": document(STRICTER)},
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
    return msgspec.json.encode({"policies": policies}).decode()
