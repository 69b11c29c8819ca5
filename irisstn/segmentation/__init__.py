"""Find the iris: pupil, limbus, eyelids and noise in an eye picture."""
