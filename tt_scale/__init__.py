"""Language models that solve harder problems by searching at answer time."""
