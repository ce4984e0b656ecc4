"""The digital link and the accountant of channel uses.

integers ─► side codec ─► bits ─► transport ─► bits, ok, uses ─► rate: cbr
             range_coded           transport: ideal, at capacity
             bitmap, octets        coded: 5G NR code blocks (frames, blocks), a scheme chosen by policy from
             side (fixed width)           measured block error rates (bler, measure); surrogate: the same in training
"""
