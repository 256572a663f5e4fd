"""Where the security team hears of alerts and alarms."""

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.environments import Deployment


class Alerts(Construct):
    """Two topics, encrypted, TLS only: alerts on payments, and alarms on the system that finds them."""

    def __init__(self, scope: Construct, id: str, deployment: Deployment, key: kms.IKey) -> None:
        super().__init__(scope, id)
        prefix = deployment.environment.prefix
        self.payments = sns.Topic(
            self,
            "Payments",
            topic_name=f"{prefix}-alerts",
            display_name="Counterfoil alerts",
            master_key=key,
            enforce_ssl=True,
        )
        self.system = sns.Topic(
            self,
            "System",
            topic_name=f"{prefix}-alarms",
            display_name="Counterfoil alarms",
            master_key=key,
            enforce_ssl=True,
        )
        alarms = f"arn:{Aws.PARTITION}:cloudwatch:{Aws.REGION}:{Aws.ACCOUNT_ID}:alarm"
        # A topic's own policy takes the place of that by which SNS would let CloudWatch in.
        self.system.add_to_resource_policy(
            iam.PolicyStatement(
                sid="TellOfAlarms",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.system.topic_arn],
                conditions={
                    "ArnLike": {"aws:SourceArn": f"{alarms}:{prefix}-*"},
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                },
            )
        )
        if deployment.alert_email:
            for topic in (self.payments, self.system):
                topic.add_subscription(subscriptions.EmailSubscription(deployment.alert_email))
