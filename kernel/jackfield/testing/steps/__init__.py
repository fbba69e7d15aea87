"""The Gherkin vocabulary, by subject; ``features/README.md`` lists it.

Rules: steps are synchronous, one or two lines over the typed client; what one step learns reaches the next only through
a named fixture (``server``, ``service``, ``reply``, ``replies``, ``opened``, ``stream``, ``result``, ``counted``).
"""
