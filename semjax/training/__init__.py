"""State, optimiser rules, the step and checkpoints."""
