"""The command line, one file per command: parses arguments, calls the package, and prints errors as messages.

Imports everything else; only `scripts` imports it.
"""
