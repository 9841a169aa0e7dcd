"""Parsing of untrusted JSON with readable errors."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["parse_json"]


def parse_json(text: str | bytes) -> Any:
    """Parse JSON of any origin; the caller limits its length.

    Raises:
        json.JSONDecodeError: the text is not valid JSON.
        ValueError: it is nested too deeply, contains an integer that is too long, or is not valid UTF-8.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not valid UTF-8") from None
    except ValueError:  # the interpreter's own message explains how to raise its limit on digits
        raise ValueError("it contains an integer of more than 4,300 digits") from None
