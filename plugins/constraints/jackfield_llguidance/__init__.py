"""``llguidance``: structured output."""
