"""The checks of ``jackfield doctor``: of this machine, of the configuration, of models, and those of plugins."""
