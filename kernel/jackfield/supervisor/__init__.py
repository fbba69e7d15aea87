"""The supervisor: listening sockets, child processes, heartbeats, restarts.

One thread, no plugin, no HTTP. A plugin that hangs or crashes on import cannot take it down, because it imports none.
"""
