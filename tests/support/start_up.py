"""What `ferbench` imports: runs lines of words in a fresh process and tells the packages that it has then."""

from __future__ import annotations

import json
import subprocess
import sys

#: Runs each line of words by the command line, in one process, and prints the exit codes and what was imported.
ASK = """
import json, sys
from types import ModuleType
from click.testing import CliRunner
from fer_bench.cli.main import main

codes = [CliRunner().invoke(main, words).exit_code for words in json.loads(sys.argv[1])]
names = {name.partition(".")[0] for name, module in sys.modules.items() if isinstance(module, ModuleType)}
print(json.dumps([codes, sorted(names)]))
"""


def imported(*calls: tuple[str, ...]) -> set[str]:
    """The top-level packages that a fresh process has imported after it ran each of the calls."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(calls)], capture_output=True, text=True, timeout=120, check=True
    )
    codes, names = json.loads(done.stdout)
    assert codes == [0] * len(calls)
    assert "click" in names
    return set(names)
