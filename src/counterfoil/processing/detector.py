"""The detector's container: evidence, training, judgement, scores, publication."""

import typer

from counterfoil.processing import detection, training

app = typer.Typer()


@app.callback()
def _detector() -> None:
    """Build evidence, train and judge releases, score payments, publish."""


for step in (
    detection.features,
    training.train,
    training.evaluate,
    training.gate,
    training.register,
    detection.detect,
    detection.publish,
    detection.report,
):
    app.command(step.__name__)(step)
