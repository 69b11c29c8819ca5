"""irisstn."""
