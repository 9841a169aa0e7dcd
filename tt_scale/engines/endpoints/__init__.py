"""Requests to OpenAI-compatible servers: one client for each address, routing over several, retries by error class.

Imports `errors`, `core` and modules of `engines` alone; what is asked and what an answer means is the caller's affair.
"""
