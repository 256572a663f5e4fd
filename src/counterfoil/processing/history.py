"""Which of the lake's payments are carried to the steps after collect, which alone reads all of them."""

from counterfoil.adapters.sagemaker.carried import HISTORY
from counterfoil.adapters.sagemaker.tables import ProcessingTables
from counterfoil.domain.features.spec import FeatureSpec
from counterfoil.domain.tables import LABELS_TABLE, TRANSACTIONS
from counterfoil.processing.job import Job, log
from counterfoil.steps.lake.history import files_of, history_of
from counterfoil.steps.lake.span import days_of
from counterfoil.steps.options import FeaturesOptions

_SINGLE = "beside.parquet"


def choose_history(
    job: Job, tables: ProcessingTables, specs: tuple[FeatureSpec, ...], options: FeaturesOptions
) -> None:
    """Write to the channel `history`, for each step that reads payments of the lake, which of them it is to have.

    `features` gets what evidence depends on of the payments that this job has collected, or of those of a period, and
    all labels that the choice was made by; `detect` gets the payments that are scored. Of the payments just collected
    nothing is in the lake yet.
    """
    there, said = tables.lake_files(TRANSACTIONS), tables.lake_files(LABELS_TABLE)
    new = [path for run in tables.written_runs(TRANSACTIONS) for path in tables.files(TRANSACTIONS, run)]
    wanted = days_of(new) if options.only_new else [options.period]
    history = history_of(there, tables.files(LABELS_TABLE), specs, options.label_delay, wanted)
    scored = [] if options.only_new else files_of(there, wanted)
    choices = [
        ("features", TRANSACTIONS, history.files),
        ("features", LABELS_TABLE, said),
        ("detect", TRANSACTIONS, scored),
    ]
    for step, table, chosen in choices:
        place = job.source_uri(f"lake-{table}")
        tables.write_choice(table, chosen, job.output(HISTORY) / step / table, place)
    beside = history.write_beside(job.output(HISTORY) / "features" / TRANSACTIONS / _SINGLE) if there else 0
    log().info("history chosen", files=len(there), features=len(history.files), beside=beside, detect=len(scored))
