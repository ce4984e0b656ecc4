"""Trains a system: python train.py --config configs/deepjscc.py:quick --workdir runs/quick"""

import sys

from semjax.app.train import main

if __name__ == "__main__":
    sys.exit(main())
