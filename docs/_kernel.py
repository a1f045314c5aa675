"""What every page's kernel begins with: commands print plain text, in one piece."""

import os
import subprocess

from IPython.core.magic import register_cell_magic

# The kernel sets it, and pages are no terminals.
os.environ.pop("FORCE_COLOR", None)


def _run(line: str, cell: str) -> None:
    """IPython's own gives 100 bytes at a time, and pages break lines between them."""
    del line
    done = subprocess.run(["bash", "-ec", cell], capture_output=True, text=True)
    print(done.stdout + done.stderr, end="")
    done.check_returncode()


for name in ("sh", "bash"):
    register_cell_magic(name)(_run)
