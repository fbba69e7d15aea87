"""The prefix cache: what sequences have computed, for others that begin alike. No sockets and no scheduling in here."""
