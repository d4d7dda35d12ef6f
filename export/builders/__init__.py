"""From the graph, or its ONNX, to a target's files: one module per kind of artefact."""
