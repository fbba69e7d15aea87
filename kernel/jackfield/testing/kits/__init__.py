"""Conformance kits: one pytest class per port, which any implementation of that port must pass.

A plugin's test subclasses the kit and says how its object is made::

    from jackfield.testing.kits.scheduler import SchedulerKit


    class TestMyScheduler(SchedulerKit):
        def scheduler(self) -> Scheduler:
            return MyScheduler()
"""
