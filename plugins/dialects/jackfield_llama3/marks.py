"""What the family writes around calls."""

from __future__ import annotations

from typing import Final

TAG: Final = "<|python_tag|>"
"""Of Llama 3."""
START: Final = "<|python_start|>"
END: Final = "<|python_end|>"
"""Of Llama 4."""
