"""The command line, one file per command: parses arguments, calls the package, and prints errors as messages.

May import every other package; only `scripts` imports it.
"""
