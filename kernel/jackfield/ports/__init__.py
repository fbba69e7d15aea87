"""The ports: what a plugin's objects must be able to do.

One module per pluggable concept. Each port is a ``typing.Protocol``; a plugin implements it without inheriting. API
0.x: provisional until the engine and the transports have used them.
"""
