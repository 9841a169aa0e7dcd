"""Requests to OpenAI-compatible servers: one client for each address, routing over several, retries by error class.

Imports `errors`, `core` and modules of `engines` alone; callers build requests and interpret responses.
"""
