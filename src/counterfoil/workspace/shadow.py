"""The challenger of a workspace, in shadow."""

from datetime import timedelta
from typing import TYPE_CHECKING

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.postgres.shadow import PostgresShadow
from counterfoil.domain.periods import Period
from counterfoil.domain.release.aliases import CHALLENGER
from counterfoil.ports.shadow import ShadowLog
from counterfoil.steps.releases.registration import load_release
from counterfoil.steps.releases.releases import resolve
from counterfoil.workspace.wiring import Workspace

if TYPE_CHECKING:  # torch comes with them
    from counterfoil.steps.insights.shadow import ShadowTrial
    from counterfoil.steps.scoring.shadow import ShadowScorer


def shadow_log(place: Workspace) -> ShadowLog:
    """Where the scores of challengers are kept."""
    return PostgresShadow(place.login)


def open_shadow(place: Workspace) -> "ShadowScorer":
    """The challenger, ready to score beside the champion; it may be none yet."""
    from counterfoil.steps.scoring.champion import Champion
    from counterfoil.steps.scoring.shadow import ShadowScorer

    mapping = place.settings.service_mapping
    challenger = Champion(
        place.stores_for_scoring, place.overlays, lambda name: load_mapping(mapping or name), place.compute, CHALLENGER
    )
    return ShadowScorer(challenger, shadow_log(place))


def try_in_shadow(place: Workspace, release: str | None, period: Period) -> "ShadowTrial":
    """What a challenger (else the release with that alias) would have done. Raises NotFoundError."""
    from counterfoil.steps.insights.shadow import compare_in_shadow

    challenger = load_release(place.registry, resolve(place.registry, release or CHALLENGER))
    return compare_in_shadow(
        shadow_log(place), place.decisions, place.tables, lambda name: load_release(place.registry, name),
        challenger.release_id, period=period, label_delay=timedelta(days=challenger.label_delay_days),
    )  # fmt: skip
