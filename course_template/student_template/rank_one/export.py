"""Write model.onnx, which multiplies eight numbers by the matrix i * j."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

numbers = np.arange(1, 9, dtype=np.float32)
# TODO: this multiplies 64 times. How many are needed?
nodes = [helper.make_node("MatMul", ["x", "matrix"], ["y"])]
weights = [numpy_helper.from_array(np.outer(numbers, numbers), "matrix")]
graph = helper.make_graph(
    nodes,
    "product",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 8])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 8])],
    weights,
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
onnx.save(model, "model.onnx")
