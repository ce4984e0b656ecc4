"""The physical layer: what a link can carry."""
