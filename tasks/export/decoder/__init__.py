"""ONNX graphs of decoders, built node by node: one graph with a cache, to read a prompt and to write on."""
