"""Trains a system: python train.py --config configs/deepjscc.py:quick --workdir runs/quick"""

import os
import sys

from semjax.parallel.cpu_flags import fast_cpu_flags

if __name__ == "__main__":
    # Before jax starts its backend.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {fast_cpu_flags()}".strip()
    from semjax.app.train import main

    sys.exit(main())
