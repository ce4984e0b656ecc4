"""The digital link and the accountant of channel uses.

`rate` counts what crossed the air, `side` turns integer streams into bits and back, `transport` carries bits.
"""
