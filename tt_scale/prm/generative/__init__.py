"""PRMs that write a rationale, then a verdict.

Imports `prm`, `generator`, `sandbox` and what lies below them.
"""
