"""What the command line tries out in a process of its own: plugins' code, and whatever else may crash or hang.

The process gets one task on standard input, answers with frames on a descriptor, and is killed when it is silent for
too long. What crashes or hangs there is reported by name and takes nothing else with it.
"""
