"""``shortest-prompt-first``: the least work first."""
