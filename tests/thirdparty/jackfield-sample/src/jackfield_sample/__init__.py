"""A backend and an authenticator, each a plugin of its own."""
