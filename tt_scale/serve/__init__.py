"""An OpenAI-compatible server: every completion is a search over shared models.

Imports `solver`, `bench` (events), `core` and, inside its modules, FastAPI, uvicorn and prometheus_client.
"""
