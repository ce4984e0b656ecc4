"""The programs: build, train, evaluate, transmit. The only floor that sees everything."""
