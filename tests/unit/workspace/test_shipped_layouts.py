"""Each shipped mapping of a public set reads rows of that set's published layout."""

from pathlib import Path

import pytest

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
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_public_layout_is_read(name: str, tmp_path: Path) -> None:
    header, rows, first = LAYOUTS[name]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([header, *rows, ""]))
    report = try_mapping(name, path, 10, 3)
    assert (report.rows, report.accepted, report.problems) == (len(rows), len(rows), ())
    assert {key: report.sample[0].get(key) for key in first} == first
