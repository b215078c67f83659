"""Pictures out of a model: under lights, surroundings, along paths, enhanced; normals."""
