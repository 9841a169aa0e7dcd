"""JSON of any origin, read without an error that says nothing to people."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["parse_json"]


def parse_json(text: str | bytes) -> Any:
    """Read a JSON text; the caller bounds its length.

    Raises:
        json.JSONDecodeError: it is no JSON.
        ValueError: it is nested too deeply, holds a whole number that is too long, or is not UTF-8.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except ValueError:  # of the interpreter, which says how to lift its limit on digits
        raise ValueError("it holds a whole number of more than 4,300 digits") from None
