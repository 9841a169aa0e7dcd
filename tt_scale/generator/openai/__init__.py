"""Generator on OpenAI-compatible servers: probing of a server's features, and three protocols.

`probing` determines the features of a server. `token_protocol` exchanges token ids, `text_protocol` receives text,
`chat_protocol` sends messages; `generator` implements the contract with one of them. Imports `engines`, `core`,
`config`.
"""
