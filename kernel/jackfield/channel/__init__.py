"""How our processes talk: length-prefixed msgpack over ``AF_UNIX`` socketpairs, descriptors by ``SCM_RIGHTS``."""
