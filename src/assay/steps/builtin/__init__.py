"""One file a step type, named like the type with `_` for `.` and `-`."""
