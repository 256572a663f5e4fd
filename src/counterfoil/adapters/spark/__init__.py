"""The features on Spark."""
