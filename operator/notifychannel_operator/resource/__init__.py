"""The parts of `manifest.py`: from the YAML's tree, field by field, to the frozen values of `spec.py`."""
