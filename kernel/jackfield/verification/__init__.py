"""``jackfield verify``: a plugin's conformance kits in a process of their own, and a report that names what fails."""
