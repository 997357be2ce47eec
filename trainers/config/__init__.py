"""The configuration of training, validated as a whole."""
