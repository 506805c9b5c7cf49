"""ONNX graphs and the folder that ships."""
