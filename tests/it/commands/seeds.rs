//! A seed is loaded when it, or what was made of it, has changed.

use std::fs;

use serde_json::Value;

use crate::support::shop::Shop;

const FEES: &str = "venue,fee\nXNYS,0.5\nXLON,\n";
const PROPERTIES: &str = "
seeds:
  - name: fees
    config: {indexes: [{columns: [venue], unique: true}]}
    columns: [{name: venue, data_tests: [not_null]}]
";

fn shop(properties: &str) -> Shop {
    let mut shop = Shop::new(&[("seeds/fees.csv", FEES), ("seeds/fees.yml", properties)]);
    shop.quietly("msv build");
    shop
}

/// Runs a command; true when it loaded the seed.
fn is_loaded_by(shop: &mut Shop, line: &str) -> bool {
    shop.quietly(line);
    let results = fs::read(shop.path().join("target/run_results.json")).unwrap();
    let results: Value = serde_json::from_slice(&results).unwrap();
    let results = results["results"].as_array().unwrap();
    let seed = results
        .iter()
        .find(|result| result["unique_id"] == "seed.shop.fees")
        .unwrap();
    assert_eq!(seed["status"], "success");
    match seed["message"].as_str().unwrap() {
        "UNCHANGED" => false,
        "INSERT 2" | "INSERT 3" => true,
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_loaded_already_is_not_loaded_again() {
    let mut shop = shop(PROPERTIES);
    let identity = "select oid || ' ' || relfilenode from pg_class where relname = 'fees'";
    let before = shop.value(identity);
    for line in ["msv seed", "msv build"] {
        assert!(!is_loaded_by(&mut shop, line), "{line}");
    }
    assert_eq!(shop.value(identity), before);
    for line in ["msv seed --full-refresh", "msv build --publish=together"] {
        let before = shop.value(identity);
        assert!(is_loaded_by(&mut shop, line), "{line}");
        assert_ne!(shop.value(identity), before);
        assert!(!is_loaded_by(&mut shop, "msv build"), "{line}");
    }
    let told = shop.run("msv seed").transcript().to_owned();
    assert!(told.contains("unchanged"), "{told}");

    // What is not about the rows is made good without them.
    shop.execute("create role seed_reader");
    let granted = PROPERTIES.replace("config: {", "config: {grants: {select: [seed_reader]}, ");
    shop.write("seeds/fees.yml", &granted);
    assert!(is_loaded_by(&mut shop, "msv seed"));
    shop.execute("revoke select on analytics.fees from seed_reader");
    assert!(!is_loaded_by(&mut shop, "msv seed"));
    let can_read = "select has_table_privilege('seed_reader', 'analytics.fees', 'select')";
    assert_eq!(shop.value(can_read), "true");
    shop.execute("drop owned by seed_reader; drop role seed_reader");
}

#[test]
fn whatever_was_changed_in_the_table_is_noticed() {
    let mut shop = shop(PROPERTIES);
    let rows = "select venue, fee from analytics.fees order by venue desc";
    let loaded = shop.rows(rows);
    for change in [
        "insert into analytics.fees values ('XPAR', 1)",
        "update analytics.fees set fee = 0.5",
        "delete from analytics.fees where fee is null",
        "delete from analytics.fees; insert into analytics.fees values ('XNYS', 0.5), ('XLON', null)",
        "truncate analytics.fees",
        "alter table analytics.fees rename fee to price",
        "alter table analytics.fees alter fee type text",
        "alter table analytics.fees add note text",
        "alter table analytics.fees drop fee",
        "drop index analytics.fees_venue_idx",
        "drop table analytics.fees cascade",
        "drop table analytics.fees; create table analytics.fees as select 'XNYS' as venue, 0.5 as fee",
    ] {
        shop.execute(change);
        assert!(is_loaded_by(&mut shop, "msv seed"), "{change}");
        assert_eq!(shop.rows(rows), loaded, "{change}");
        assert!(!is_loaded_by(&mut shop, "msv seed"), "{change}");
    }
    shop.execute("vacuum (freeze) analytics.fees");
    shop.execute("vacuum (full) analytics.fees");
    shop.execute(
        "create table analytics.more () inherits (analytics.fees);
        insert into analytics.more values ('XPAR', 1)",
    );
    assert!(!is_loaded_by(&mut shop, "msv seed"));
}

#[test]
fn whatever_was_changed_in_the_project_is_loaded() {
    let mut shop = shop(PROPERTIES);
    for (path, text) in [
        ("seeds/fees.csv", format!("{FEES}XPAR,1\n")),
        ("seeds/fees.csv", FEES.replace("0.5", "0.6")),
        (
            "seeds/fees.yml",
            PROPERTIES.replace("config: {", "config: {column_types: {fee: text}, "),
        ),
        ("seeds/fees.yml", PROPERTIES.replace("true", "false")),
    ] {
        shop.write(path, &text);
        assert!(is_loaded_by(&mut shop, "msv seed"), "{text}");
        assert!(!is_loaded_by(&mut shop, "msv seed"), "{text}");
    }
    let refresh = PROPERTIES.replace("config: {", "config: {full_refresh: true, ");
    shop.write("seeds/fees.yml", &refresh);
    assert!(is_loaded_by(&mut shop, "msv seed"));
    assert!(is_loaded_by(&mut shop, "msv seed"));

    // Hooks expect a table without what they did the last time.
    let hook = "config: {post_hook: 'alter table {{ this }} add primary key (venue)', ";
    shop.write("seeds/fees.yml", &PROPERTIES.replace("config: {", hook));
    assert!(is_loaded_by(&mut shop, "msv seed"));
    assert!(is_loaded_by(&mut shop, "msv seed"));
}

#[test]
fn rows_that_were_replaced_in_place_are_known_too() {
    let mut shop = shop(PROPERTIES);
    shop.execute("create materialized view analytics.copy as select * from analytics.fees");
    assert!(!is_loaded_by(&mut shop, "msv seed"));
    shop.write("seeds/fees.csv", &format!("{FEES}XPAR,1\n"));
    let oid = "select 'analytics.fees'::regclass::oid";
    let before = shop.value(oid);
    assert!(is_loaded_by(&mut shop, "msv build"));
    assert_eq!(shop.value(oid), before);
    assert!(!is_loaded_by(&mut shop, "msv build"));
    shop.execute("delete from analytics.fees where venue = 'XPAR'");
    assert!(is_loaded_by(&mut shop, "msv build"));
    assert_eq!(shop.value("select count(*) from analytics.fees"), "3");
}

#[test]
fn an_unchanged_seed_that_fails_a_new_test_holds_up_what_reads_it() {
    let mut shop = shop(PROPERTIES);
    shop.write(
        "models/charged.sql",
        "select * from {{ ref('fees') }} where fee > 0",
    );
    let tested = format!("{PROPERTIES}      - {{name: fee, data_tests: [not_null]}}\n");
    let tested = tested.replace(
        "columns: [{name: venue, data_tests: [not_null]}]",
        "columns:\n      - {name: venue, data_tests: [not_null]}",
    );
    shop.write("seeds/fees.yml", &tested);
    let told = shop.run("msv build").transcript().to_owned();
    assert!(told.contains("REJECTED") && told.contains("SKIP"), "{told}");
    assert_eq!(shop.value("select count(*) from analytics.fees"), "2");
}
