"""What shows a run and its traces: TensorBoard, Perfetto, speedscope and snakeviz, without a network."""
