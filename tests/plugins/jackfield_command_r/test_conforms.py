"""The kit of the hook that the plugin implements, for each form of calls."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from jackfield.testing.kits.dialect import DialectKit

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"

_ACTION: Final = '\n    {{"tool_call_id": "{}", "tool_name": "weather", "parameters": {{"city": "{}"}}}}'
_ENTRY: Final = (
    '    {{\n        "tool_name": "weather",\n        "parameters": {{\n            "city": "{}"\n        }}\n    }}'
)


class TestActions(DialectKit):
    """R7B: actions, and marks around answers."""

    manifest = 'enabled = ["command-r"]'
    needs: ClassVar = {
        "call": f"<|START_ACTION|>[{_ACTION.format(0, 'Oslo')}\n]<|END_ACTION|>",
        "calls": f"<|START_ACTION|>[{_ACTION.format(0, 'Oslo')},{_ACTION.format(1, 'Rome')}\n]<|END_ACTION|>",
        "template": str(TEMPLATES / "CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja"),
    }


class TestActionsAndText(DialectKit):
    """North Mini: other marks around answers."""

    manifest = 'enabled = ["command-r"]'
    needs: ClassVar = {**TestActions.needs, "template": str(TEMPLATES / "Cohere2MoE.jinja")}


class TestLists(DialectKit):
    """R+: a fenced list."""

    manifest = 'enabled = ["command-r"]'
    needs: ClassVar = {
        "call": f"Action:\n```json\n[\n{_ENTRY.format('Oslo')}\n]```",
        "calls": f"Action: ```json\n[\n{_ENTRY.format('Oslo')},\n{_ENTRY.format('Rome')}\n]```",
        "template": str(TEMPLATES / "CohereForAI-c4ai-command-r-plus-tool_use.jinja"),
    }
