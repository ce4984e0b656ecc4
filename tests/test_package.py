"""What importing semjax costs and brings in."""

import subprocess
import sys

CORE = (
    "semjax.app.train, semjax.app.evaluate, semjax.app.transmit, semjax.systems, semjax.channels, semjax.data.loader, "
    "semjax.evaluators.sweep, semjax.scenes"
)


def test_import_is_light() -> None:
    """Neither torch, TensorFlow nor a plotting library; `import semjax` itself stays under three seconds."""
    code = (
        "import sys, time; t = time.perf_counter(); import semjax, semjax.types; s = time.perf_counter() - t; "
        f"import {CORE}; "
        "print(s, [m for m in ('torch', 'tensorflow', 'matplotlib', 'tensorboardX') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, heavy = done.stdout.split(maxsplit=1)
    assert heavy.strip() == "[]"
    assert float(seconds) < 3.0
