"""What the workflows run: each step is a function over boto3's clients, so that it runs here as it runs there."""
