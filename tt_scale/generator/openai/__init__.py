"""Generators behind OpenAI-compatible servers: what a server can do, and three ways to ask it.

`probing` finds out what a server does; `token_protocol` sends and gets token ids, `text_protocol` gets text,
`chat_protocol` sends messages; `generator` puts one of them behind the contract. Imports `engines`, `core`, `config`.
"""
