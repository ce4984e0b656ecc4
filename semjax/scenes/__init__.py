"""A procedural world with exact truth: scenes of objects before a background, drawn in pure JAX."""
