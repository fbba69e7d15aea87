"""What the family writes around calls and thoughts."""

from __future__ import annotations

from typing import Final

OPEN: Final = "<tool_call>"
CLOSE: Final = "</tool_call>"
KEY: Final = "<arg_key>"
KEY_END: Final = "</arg_key>"
VALUE: Final = "<arg_value>"
VALUE_END: Final = "</arg_value>"
THINK: Final = "<think>"
THINK_END: Final = "</think>"
