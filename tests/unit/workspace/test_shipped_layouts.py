"""Each shipped mapping of a public set reads rows of that set's published layout."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.mapping_files import shipped_mappings
from counterfoil.workspace.try_mapping import try_mapping

LAYOUTS = {
    "paysim": (
        "step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,oldbalanceDest,newbalanceDest,isFraud,"
        "isFlaggedFraud",
        ["26,PAYMENT,12.5,C1,100.0,87.5,M1,0.0,0.0,0,0", "743,TRANSFER,1.5E7,C2,1.5E7,0.0,C3,0.0,0.0,1,0"],
        {"event_time": "2020-01-02 02:00:00+00:00", "amount": "12.5000", "category": "PAYMENT", "label": "0"},
    ),
    "ibm-tabformer": (
        "User,Card,Year,Month,Day,Time,Amount,Use Chip,Merchant Name,Merchant City,Merchant State,Zip,MCC,Errors?,"
        "Is Fraud?",
        [
            "3,1,2018,2,9,07:05,$1234.10,Chip Transaction,-55,Town,OH,43085.0,5411,,No",
            "3,1,2018,2,9,09:05,$-20.00,Online Transaction,-55, ONLINE,,,5411,Bad PIN,Yes",
        ],
        {"event_time": "2018-02-09 07:05:00+00:00", "amount": "1234.1000", "currency": "USD", "direction": "debit"},
    ),
    "sparkov": (
        ",trans_date_trans_time,cc_num,merchant,category,amt,first,last,trans_num,unix_time,merch_lat,is_fraud",
        [
            "0,2020-06-21 12:14:25,4000000000000002,fraud_A and B,misc_net,2.86,A,B,aa01,1371816865,3.9,0",
            "1,21/06/2020 12:15,4000000000000002,fraud_C,misc_net,2.5,A,B,aa02,1371816865,3.9,1",
        ],
        {"event_time": "2020-06-21 12:14:25+00:00", "transaction_id": "aa01", "currency": "USD"},
    ),
    "s-ffsd": (
        "Time,Source,Target,Amount,Location,Type,Labels",
        ["61,S1,T1,13.5,L1,TP1,2", "162,S2,T1,3.25,L1,TP1,1", "163,S2,T1,3.25,L1,TP1,0"],
        {"event_time": "2022-01-01 01:01:00+00:00", "merchant_id": "T1", "location": "L1"},
    ),
    "ieee-cis": (
        "TransactionID,isFraud,TransactionDT,TransactionAmt,ProductCD,card1,card2,card4,card6,addr1,dist1,P_emaildomain,"
        "R_emaildomain,C1,C13,D1,D15,M4,M6",
        [
            "2987000,0,86400,68.5,W,13926,,discover,credit,315.0,19.0,,,1.0,1.0,14.0,0.0,M2,T",
            "2987001,1,96401,29.0,C,2755,404.0,visa,debit,325.0,,example.org,example.org,1.0,1.0,,,M0,",
        ],
        {"event_time": "2017-12-02 00:00:00+00:00", "transaction_id": "2987000", "card_network": "discover"},
    ),
    "bank-account-fraud": (
        "fraud_bool,income,name_email_similarity,current_address_months_count,customer_age,days_since_request,"
        "payment_type,zip_count_4w,velocity_6h,velocity_24h,velocity_4w,employment_status,credit_risk_score,"
        "email_is_free,housing_status,has_other_cards,proposed_credit_limit,foreign_request,source,"
        "session_length_in_minutes,device_os,keep_alive_session,device_distinct_emails_8w,month",
        ["1,0.9,0.16,88,50,0.02,AA,769,10650.7,3134.3,3863.6,CA,185,0,BA,0,500.0,0,INTERNET,3.8,windows,0,1,7"],
        {"label": "1", "velocity_6h": "10650.7", "channel": "INTERNET"},
    ),
    "counterfoil-simulated": (
        "payment_id,paid_at,amount,currency,account,merchant,device,ip_address,email,merchant_category,card_bin,is_fraud,"
        "labelled_at",
        ["p1,2026-03-01T10:00:00Z,12.50,EUR,a1,m1,d1,192.0.2.1,a@example.org,food,411111,0,2026-03-02T10:00:00Z"],
        {"transaction_id": "p1", "currency": "EUR", "category": "food", "label": "0"},
    ),
    **{
        f"amazon-fraud-detector-transactions{which}": (
            "EVENT_LABEL,EVENT_TIMESTAMP,LABEL_TIMESTAMP,EVENT_ID,ENTITY_TYPE,ENTITY_ID,card_bin,customer_name,"
            "billing_street,billing_city,billing_state,billing_zip,billing_latitude,billing_longitude,billing_country,"
            f"customer_job,{address},customer_email,billing_phone,user_agent,product_category,order_price,"
            "payment_currency,merchant",
            [
                f"{label},2021-05-01T10:00:00Z,2021-06-01T00:00:00Z,e-{label}-1,customer,c-1,411111,A B,1 Street,Town,"
                "OH,43085,40.1,-83.0,US,Painter,192.0.2.7,a@example.org,(555)010-0199,Opera/9.0 (X11),grocery,12.34,"
                'USD,"Shop, Inc"'
                for label in ("0", "1", "")
            ],
            {"transaction_id": "e-0-1", "amount": "12.3400", "merchant_id": "Shop, Inc", "label": "0"},
        )
        for which, address in (("", "ip_address"), ("-curation", "curation"))
    },
    "amazon-fraud-detector-registrations": (
        "ip_address,email_address,EVENT_TIMESTAMP,EVENT_LABEL",
        ["192.0.2.7,a@example.org,2021-05-01T10:00:00Z,legit", "192.0.2.8,b@example.org,2021-05-01T10:00:00Z,fraud"],
        {"event_time": "2021-05-01 10:00:00+00:00", "label": "0"},
    ),
}

COMPONENTS = {f"V{place}": [0.5 * place, -1.25] for place in range(1, 29)}
TABLES = {
    "ulb-credit-card": (
        pa.table({"Time": [0.0, 172_792.0], **COMPONENTS, "Amount": [149.62, 0.0], "Class": pa.array([0, 1])}),
        {"event_time": "2013-09-01 00:00:00+00:00", "amount": "149.6200", "v2": "1.0", "label": "0"},
    ),
    "fraud-detection-handbook": (
        pa.table({
            "TRANSACTION_ID": [0, 1], "TX_DATETIME": pa.array([datetime(2018, 4, 1, 0, 0, 31)] * 2, pa.timestamp("ns")),
            "CUSTOMER_ID": [596, 4961], "TERMINAL_ID": [3156, 3412], "TX_AMOUNT": [57.16, 81.51],
            "TX_TIME_SECONDS": [31, 130], "TX_TIME_DAYS": [0, 0], "TX_FRAUD": [0, 1], "TX_FRAUD_SCENARIO": [0, 1],
        }),
        {"event_time": "2018-04-01 00:00:31+00:00", "amount": "57.1600", "merchant_id": "3156", "label": "0"},
    ),
}  # fmt: skip
MESSAGES = (
    "iso20022-camt052", "iso20022-camt053", "iso20022-camt054", "iso20022-pacs004", "iso20022-pacs008",
    "iso20022-pacs009", "iso20022-pain001", "iso20022-pain008", "iso8583-json", "mt103", "mt940", "mt942", "nacha",
)  # fmt: skip
"""Their layouts are standards: tests/unit/adapters/files reads messages of each, and tests/fuzz spoils them."""


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_public_layout_is_read(name: str, tmp_path: Path) -> None:
    header, rows, first = LAYOUTS[name]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([header, *rows, ""]))
    report = try_mapping(name, path, 10, 3)
    assert (report.rows, report.accepted, report.problems) == (len(rows), len(rows), ())
    assert {key: report.sample[0].get(key) for key in first} == first


@pytest.mark.parametrize("name", TABLES)
def test_a_public_table_is_read(name: str, tmp_path: Path) -> None:
    table, first = TABLES[name]
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path)
    report = try_mapping(name, path, 10, 3)
    assert (report.rows, report.accepted, report.problems) == (table.num_rows, table.num_rows, ())
    assert {key: report.sample[0].get(key) for key in first} == first


def test_no_shipped_mapping_is_left_out() -> None:
    assert sorted([*LAYOUTS, *TABLES, *MESSAGES]) == shipped_mappings()
