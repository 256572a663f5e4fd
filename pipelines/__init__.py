"""SageMaker Pipelines: declared once, run on SageMaker or here."""
