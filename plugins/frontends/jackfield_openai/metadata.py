"""``metadata``: what clients say about things that are kept."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

Key: TypeAlias = Annotated[str, Meta(max_length=64)]
Value: TypeAlias = Annotated[str, Meta(max_length=512)]
Metadata: TypeAlias = Annotated[dict[Key, Value], Meta(max_length=16)]
"""OpenAI's limits."""
