"""Readers of weights that run no code: state dicts, Keras and TensorFlow.js files, ONNX graphs."""
