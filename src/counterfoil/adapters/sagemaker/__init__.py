"""Tables as SageMaker's processing jobs see them: folders in, folders out."""
