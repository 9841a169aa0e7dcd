"""Programs that are run as modules.

Imports everything else.
"""
