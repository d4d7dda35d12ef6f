"""From the graph, or its ONNX, to the files of a target: one module for each kind of artefact."""
