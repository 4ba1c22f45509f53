"""Import files into the model: OpenStreetMap, vector files, device lists."""
