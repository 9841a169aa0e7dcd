"""The program that measures the server runs and finds nothing left behind."""

from __future__ import annotations

import asyncio
import re
from argparse import Namespace

import pytest
from programs import program

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
pytest.importorskip("prometheus_client")
pytest.importorskip("psutil")
pytest.importorskip("uvicorn")


def test_all_parts_in_the_simulated_world(capsys: pytest.CaptureFixture[str]) -> None:
    given = Namespace(
        config=None, method="dvts", questions=3, rounds=2, requests=30, connections=5, patience=0.002
    )  # fmt: skip
    asyncio.run(program("benchmarks/serve.py").measured(given))
    out = capsys.readouterr().out
    assert "held 5 connections; answered 5" in out
    assert len(re.findall(r"^(?:alone|served): [\d,]+ tokens", out, re.MULTILINE)) == 4
    tokens = set(re.findall(r": ([\d,]+) tokens", out))
    assert len(tokens) == 1  # both ways search the same
    ends = re.search(r"leaks: 30 requests in \d+ s: (.*)", out)
    assert ends is not None
    assert "'200'" in ends[1]
    before, after = re.findall(r"^(?:before|after) +(\{.*\})$", out, re.MULTILINE)
    assert before == after
