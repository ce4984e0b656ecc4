"""Sends one picture: `python transmit.py PICTURE --checkpoint RUN --snr_db 5 [--channel rayleigh] [--output DIR]`."""

import sys

from semjax.app.transmit import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
