"""Evaluates a trained system: `python eval.py --checkpoint RUN [--config.eval.KEY=VALUE ...] [--output DIR]`."""

import sys

from semjax.app.evaluate import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
