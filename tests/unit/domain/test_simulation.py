"""The simulated payments: reproducible, well-formed, with every trace they promise, and hard to separate."""

import csv
import io
import ipaddress
from datetime import date

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from counterfoil.errors import UsageError
from counterfoil.simulation import DIRT, KINDS, as_csv, simulate, simulate_with_kinds, spoil
from counterfoil.simulation.frauds import compromised_merchants
from counterfoil.simulation.habits import good_payments
from counterfoil.simulation.names import CATEGORIES
from counterfoil.simulation.payments import DAY
from counterfoil.simulation.world import build_world

START = date(2024, 1, 1)
DAYS = 120
SMALL = {"accounts": 40, "merchants": 60, "days": 40, "start": START}


@pytest.fixture(scope="module")
def frame():
    """Default size, typed, with the kind of fraud; rows in order of time."""
    table, kinds = simulate_with_kinds(days=DAYS, start=START, seed=11)
    typed = table.to_pandas()
    typed["kind"] = kinds
    typed["fraud"] = kinds != ""
    typed["euros"] = typed["amount"].astype(float)
    for name in ("paid_at", "labelled_at"):
        typed[name] = pd.to_datetime(typed[name].replace("", None), format="%Y-%m-%dT%H:%M:%SZ")
    return typed


def of_kind(frame, kind):
    return frame[frame["kind"] == kind].copy()


class TestBytes:
    def test_same_seed_same_bytes(self):
        assert as_csv(simulate(**SMALL, seed=3)) == as_csv(simulate(**SMALL, seed=3))

    def test_another_seed_differs(self):
        first, second = simulate(**SMALL, seed=3), simulate(**SMALL, seed=4)
        assert first.column("amount").to_pylist()[:50] != second.column("amount").to_pylist()[:50]

    def test_the_kinds_belong_to_the_same_table_and_are_not_in_it(self):
        table, kinds = simulate_with_kinds(**SMALL, seed=3)
        assert table.equals(simulate(**SMALL, seed=3))
        assert len(kinds) == table.num_rows
        values = {value for column in table.columns for value in column.to_pylist()}
        assert values.isdisjoint(KINDS[1:])

    @pytest.mark.parametrize("change", [{"accounts": 19}, {"days": 29}, {"merchants": len(CATEGORIES) - 1}])
    def test_too_small_a_world_is_refused(self, change):
        with pytest.raises(UsageError, match=f"{next(iter(change))} must be at least"):
            simulate(**(SMALL | change), seed=1)

    @pytest.mark.parametrize("seed", range(6))
    def test_the_smallest_world_has_every_kind(self, seed):
        _, kinds = simulate_with_kinds(accounts=20, merchants=16, days=30, start=START, seed=seed)
        assert set(kinds.tolist()) == set(KINDS)


class TestLayout:
    @pytest.mark.slow
    def test_ids_are_unique_and_times_sorted_within_the_days(self, frame):
        assert frame["payment_id"].is_unique
        assert frame["paid_at"].is_monotonic_increasing
        assert frame["paid_at"].min() >= pd.Timestamp(START)
        assert frame["paid_at"].max() < pd.Timestamp(START) + pd.Timedelta(days=DAYS)

    def test_values_are_as_a_processor_writes_them(self, frame):
        assert frame["amount"].str.fullmatch(r"\d+\.\d\d").all()
        assert frame["euros"].min() > 0
        assert set(frame["currency"]) == {"EUR"}
        benchmark_range = ipaddress.ip_network("198.18.0.0/15")
        assert all(ipaddress.ip_address(one) in benchmark_range for one in frame["ip_address"].unique())
        assert frame["email"].str.fullmatch(r"[a-z.]+\d+@example\.com").all()
        assert frame["card_bin"].str.fullmatch(r"\d{6}").all()
        assert set(frame["merchant_category"]) <= {category.name for category in CATEGORIES}

    def test_a_merchant_has_one_category_and_a_telling_name(self, frame):
        assert (frame.groupby("merchant")["merchant_category"].nunique() == 1).all()
        nouns = {category.name: category.nouns for category in CATEGORIES}
        pairs = frame[["merchant", "merchant_category"]].drop_duplicates()
        assert len(pairs) > 250
        for name, category in pairs.itertuples(index=False):
            assert any(noun in name for noun in nouns[category])

    def test_enough_payments_and_frauds(self, frame):
        assert 80_000 < len(frame) < 130_000
        assert 0.005 <= frame["fraud"].mean() <= 0.01


class TestLabels:
    def test_frauds_are_known_1_to_14_days_late_and_good_payments_at_once(self, frame):
        known = frame[frame["is_fraud"] != ""]
        delay = (known["labelled_at"] - known["paid_at"]) / pd.Timedelta(days=1)
        assert delay[known["fraud"]].between(1, 14).all()
        assert delay[known["fraud"]].std() > 2
        assert (delay[~known["fraud"]] == 0).all()

    def test_labels_say_what_happened_and_one_in_a_hundred_is_missing(self, frame):
        expected = frame["fraud"].map({True: "1", False: "0"})
        missing = frame["is_fraud"] == ""
        assert (frame["is_fraud"] == expected)[~missing].all()
        assert 0.007 < missing.mean() < 0.013
        assert frame["labelled_at"].isna().equals(missing)


class TestFrauds:
    def test_every_kind_has_its_share(self, frame):
        shares = frame[frame["fraud"]]["kind"].value_counts(normalize=True)
        assert set(shares.index) == set(KINDS[1:])
        assert shares.min() > 0.1

    def test_card_testing_is_a_burst_of_tiny_payments_and_then_a_dear_one(self, frame):
        rows = of_kind(frame, "card testing").sort_values(["account", "paid_at"])
        rows["tiny"] = rows["euros"] < 4
        tests = rows[rows["tiny"]]
        bursts = tests.groupby(["account", "ip_address", "merchant", tests["paid_at"].dt.date])
        assert (bursts.size() >= 3).mean() > 0.9
        spans = bursts["paid_at"].agg(lambda times: times.max() - times.min())
        assert (spans < pd.Timedelta(minutes=30)).mean() > 0.9
        dear = rows[~rows["tiny"]]
        assert dear["euros"].median() > 50 * tests["euros"].median()
        before = pd.merge_asof(
            dear.sort_values("paid_at"),
            tests[["paid_at", "account"]].rename(columns={"paid_at": "tested"}).sort_values("tested"),
            left_on="paid_at",
            right_on="tested",
            by="account",
            tolerance=pd.Timedelta(hours=24),
        )
        assert before["tested"].notna().mean() > 0.95

    def test_takeovers_come_at_odd_hours_from_addresses_new_to_and_shared_by_victims(self, frame):
        rows = of_kind(frame, "account takeover")
        assert (rows["paid_at"].dt.hour < 7).mean() > 0.45
        assert (frame["paid_at"].dt.hour < 7).mean() < 0.2
        assert rows["euros"].median() > 4 * frame["euros"].median()
        assert rows.groupby("ip_address")["account"].nunique().max() >= 3
        used_before = {
            (account, address)
            for account, address in frame.loc[~frame["fraud"], ["account", "ip_address"]].itertuples(index=False)
        }
        pairs = set(zip(rows["account"], rows["ip_address"], strict=True))
        assert len(pairs - used_before) / len(pairs) > 0.9

    @pytest.mark.parametrize("seed", range(5))
    def test_skimmed_cards_have_one_merchant_in_common_and_are_used_3_to_20_days_later(self, seed):
        rng = np.random.default_rng(seed)
        world = build_world(300, 120, 60, 0, rng)
        good = good_payments(world, rng)
        uses = pd.DataFrame(compromised_merchants(world, good, 30, rng))  # one incident
        assert uses["account"].nunique() >= 5
        assert uses["merchant"].nunique() >= 8
        by_card = uses.groupby("account")["second"].agg(["min", "max"])
        paid = pd.DataFrame(good).join(by_card, on="account", how="inner")
        early_enough = paid["second"] <= paid["min"] - 3 * DAY
        late_enough = paid["second"] // DAY >= paid["max"] // DAY - 20
        seen = paid[early_enough & late_enough].groupby(["merchant", "account"])["second"].min().reset_index()
        cards = seen.groupby("merchant")["account"].nunique()
        assert cards.max() == len(by_card)

    def test_a_bust_out_grows_from_its_own_device_and_ends_in_silence(self, frame):
        rows = of_kind(frame, "bust-out")
        end = rows.groupby("account")["paid_at"].max().dt.normalize() + pd.Timedelta(days=1)
        later = frame.merge(end.rename("end"), left_on="account", right_index=True)
        assert (later["paid_at"] < later["end"]).all()
        known = set(zip(*(frame.loc[~frame["fraud"], name] for name in ("account", "device")), strict=True))
        own = [pair in known for pair in zip(rows["account"], rows["device"], strict=True)]
        assert np.mean(own) > 0.9
        place = rows.groupby("account")["paid_at"].rank(pct=True)
        level = np.log(rows["euros"])
        assert level[place > 0.5].mean() > level[place <= 0.5].mean() + 0.25
        span = rows.groupby("account")["paid_at"].agg(lambda times: times.max() - times.min())
        assert span.max() < pd.Timedelta(days=13)


class TestDifficulty:
    def test_no_single_plain_column_separates(self, frame):
        hour = frame["paid_at"].dt.hour
        by_account = frame.groupby("account")["paid_at"]
        quick = -by_account.diff().dt.total_seconds().fillna(1e9)
        new_address = ~frame.duplicated(["account", "ip_address"])
        new_device = ~frame.duplicated(["account", "device"])
        for column in (frame["euros"], hour, -hour, quick, new_address, new_device):
            assert roc_auc_score(frame["fraud"], column) < 0.95

    @pytest.mark.slow
    def test_an_isolation_forest_is_better_than_a_coin_and_far_from_perfect(self, frame):
        columns = pd.DataFrame(
            {
                "amount": np.log(frame["euros"]),
                "hour": frame["paid_at"].dt.hour,
                "gap": np.log1p(frame.groupby("account")["paid_at"].diff().dt.total_seconds().fillna(1e6)),
                "new_address": ~frame.duplicated(["account", "ip_address"]),
            }
        ).to_numpy(dtype=float)
        forest = IsolationForest(random_state=0).fit(columns)
        assert 0.6 < roc_auc_score(frame["fraud"], -forest.score_samples(columns)) < 0.95

    def test_good_payments_have_bursts_travel_and_large_purchases_too(self, frame):
        good = frame[~frame["fraud"]]
        tiny = good[good["euros"] < 4]
        minutes = tiny.groupby(["account", "merchant", tiny["paid_at"].dt.floor("30min")]).size()
        assert (minutes >= 4).sum() > 20
        assert (good["euros"] > frame.loc[frame["fraud"], "euros"].median()).sum() > 5000
        new = ~good.duplicated(["account", "ip_address"])
        assert new.sum() > 5000
        rates = good.groupby("account").size()
        assert rates.quantile(0.99) > 3 * rates.median()


class TestDirt:
    def read(self, content):
        return list(csv.reader(io.StringIO(content.decode(), newline="")))

    def test_clean_csv_is_the_table(self):
        table = simulate(**SMALL, seed=3)
        records = self.read(as_csv(table))
        assert records[0] == table.column_names
        assert records[1:] == [list(row.values()) for row in table.to_pylist()]

    def test_no_cell_begins_a_spreadsheet_formula(self):
        # The one CSV that is written. Only dirt has a sign in front, and a number behind it.
        records = self.read(spoil(simulate(**SMALL, seed=3), np.random.default_rng(5)))
        cells = {cell for record in records for cell in record}
        signed = {cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))}
        assert all(float(cell) < 0 for cell in signed)

    @pytest.mark.slow
    def test_one_row_of_each_kind_is_added_and_no_other_touched(self):
        table = simulate(**SMALL, seed=3)
        clean = [list(row.values()) for row in table.to_pylist()]
        records = self.read(spoil(table, np.random.default_rng(5)))[1:]
        assert len(records) == len(clean) + len(DIRT)
        originals = {tuple(record) for record in clean}
        dirty = [record for record in records if tuple(record) not in originals]
        kept = [record for record in records if tuple(record) in originals]
        # The repeated payment equals its original, so it is the one row that is not new.
        assert len(dirty) == len(DIRT) - 1
        assert len(kept) == len(clean) + 1
        widths = {len(record) for record in dirty}
        assert {9, 13, 15} == widths
        assert any(record[1].endswith("-02-30T10:15:00Z") for record in dirty)
        assert any(record[6].startswith("-") for record in dirty if len(record) == 13)
        assert any("1.234,56" in record for record in dirty)
        assert any(record[0] == "" for record in dirty)
        ids = [record[0] for record in records]
        assert sum(ids.count(one) > 1 for one in set(ids)) == 1

    def test_places_are_seeded(self):
        table = simulate(**SMALL, seed=3)
        first, again, other = (spoil(table, np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert first == again
        assert first != other
