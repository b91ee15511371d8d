"""Engine of waves: at most one spike a neuron; front end, convolution, pooling, winners, learning."""
