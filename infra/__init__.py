"""Counterfoil on AWS, written with the CDK: what is deployed, and nothing that runs in it."""
