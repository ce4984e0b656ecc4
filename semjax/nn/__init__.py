"""Building blocks with weights that more than one part uses."""
