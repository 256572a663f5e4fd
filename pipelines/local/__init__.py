"""The local session: a pipeline's definition, executed here. No Docker, no AWS, no emulator.

The SageMaker SDK evaluates the definition (parameters, joins, properties, property files, conditions, the order of
steps); this package is the SageMaker behind it: each processing step is its own process with its container's entry
point, sees folders below `/opt/ml`, and `s3://` is the workspace. Steps run one after another.
"""
