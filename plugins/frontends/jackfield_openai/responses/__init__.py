"""``/v1/responses``: OpenAI's API that can remember conversations, and run answers in the background."""
