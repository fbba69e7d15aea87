"""Outbound: the one way in which Jackfield and its plugins fetch something from elsewhere.

``options`` has what plugins embed in their own options, ``client`` the client, ``errors`` what it raises. Of these only
``client`` imports aiohttp.
"""
