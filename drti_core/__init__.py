"""drti: relightable images."""
