"""Talking to a server in OpenAI's dialect, ours or another: what ``chat`` and ``bench`` share."""
