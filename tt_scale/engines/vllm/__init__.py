"""Start, watch and stop vLLM engines.

Imports `engines` and what lies below it; vLLM itself is imported inside functions.
"""
