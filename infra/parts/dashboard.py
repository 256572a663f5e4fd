"""One page for whoever was woken."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

_COLUMNS = 3
_WIDTH = 8


class Dashboard(Construct):
    """Each alarm's metric with its threshold, and the state of all alarms above them."""

    def __init__(self, scope: Construct, id: str, prefix: str, alarms: Mapping[str, cloudwatch.Alarm]) -> None:
        super().__init__(scope, id)
        board = cloudwatch.Dashboard(self, "Board", dashboard_name=prefix, default_interval=Duration.hours(12))
        board.add_widgets(
            cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms.values()), width=24, height=3)
        )
        names = list(alarms)
        for start in range(0, len(names), _COLUMNS):
            row = names[start : start + _COLUMNS]
            board.add_widgets(
                *(cloudwatch.AlarmWidget(title=name, alarm=alarms[name], width=_WIDTH, height=6) for name in row)
            )
