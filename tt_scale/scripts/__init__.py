"""Programs that are run as modules."""
