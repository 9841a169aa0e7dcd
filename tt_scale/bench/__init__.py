"""The run engine: many problems at once, a journal, resume, metrics."""
