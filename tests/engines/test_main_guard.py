"""A script without a main guard: graders work, and vLLM is refused before a model is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tt_scale.engines.main_guard import guarded

ROOT = Path(__file__).parents[2]
HEAD = "from tt_scale.errors import ConfigError\nfrom tt_scale.engines.main_guard import check_main_guard\n"
TRY = "try:\n    check_main_guard()\n    print('fine')\nexcept ConfigError as error:\n    print(error)\n"


def run(script: Path, *options: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, *options, str(script)],
        cwd=script.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def indented(text: str) -> str:
    return "".join([f"    {line}\n" for line in text.splitlines()])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (TRY, "import script.py again, and line 4"),
        (f'if __name__ == "__main__":\n{indented(TRY)}', "fine"),
        (f"if '__main__' == __name__:\n{indented(TRY)}", "fine"),
        (f'if __name__ == "__main__" and True:\n{indented(TRY)}', "fine"),
        (f'def main():\n{indented(TRY)}\nif __name__ == "__main__":\n    main()\n', "fine"),
        (f'def main():\n{indented(TRY)}\nmain()\nif __name__ == "__main__":\n    print("late")\n', "line 10"),
        (f'if __name__ != "__main__":\n    pass\nelse:\n{indented(TRY)}', "fine"),
        (f'if __name__ != "__main__":\n    pass\n{TRY}', "under: if __name__"),
        (f"async def main():\n{indented(TRY)}\nimport asyncio\nasyncio.run(main())\n", "under: if __name__"),
        (
            f"def main():\n{indented(TRY)}\nfrom concurrent.futures import ThreadPoolExecutor\n"
            "with ThreadPoolExecutor() as pool:\n    pool.submit(main).result()\n",
            "under: if __name__",
        ),
    ],
)
def test_the_executing_line_of_a_script_is_checked(tmp_path: Path, body: str, told: str) -> None:
    """The processes of vLLM import it again, which ended in a page about bootstrapping after the models were loaded."""
    script = tmp_path / "script.py"
    script.write_text(HEAD + body)
    assert told in run(script)


def test_what_is_not_imported_again(tmp_path: Path) -> None:
    """A module with `__main__`, code given by -c, and a user who lets vLLM fork."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__main__.py").write_text(HEAD + TRY)
    assert run(package) == "fine\n"
    done = subprocess.run([sys.executable, "-c", HEAD + TRY], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.stdout == "fine\n"
    script = tmp_path / "script.py"
    script.write_text(HEAD + TRY)
    assert run(script, VLLM_WORKER_MULTIPROC_METHOD="fork") == "fine\n"


def test_what_cannot_be_parsed_passes(tmp_path: Path) -> None:
    """It runs already, so the fault is ours."""
    (tmp_path / "odd.py").write_text("if (")
    assert guarded(tmp_path / "odd.py", 1)
    assert guarded(tmp_path / "nowhere.py", 1)


def test_models_on_vllm_are_refused_at_once(tmp_path: Path) -> None:
    """From Python, `solve` says it before it reads a folder."""
    script = tmp_path / "script.py"
    script.write_text(
        "import tt_scale.backends\ntt_scale.backends.find_spec = lambda name: name == 'vllm'\n"
        "from tt_scale import Config, solve\nfrom tt_scale.errors import ConfigError\n"
        "try:\n    solve('What is 2 + 3?', Config(model_name='nobody/nothing', prm_name='none', method='greedy'))\n"
        "except ConfigError as error:\n    print(error)\n"
    )
    assert run(script) == (
        "vLLM starts processes that import script.py again, and line 6 would run in each of them. "
        'Move the code of the script under: if __name__ == "__main__":\n'
    )
