"""ONNX graphs of encoder-decoder models: one graph, whose one half reads and whose other half writes."""
