//! Flags and settings that every command knows.

use insta::assert_snapshot;

use crate::support::shop::Shop;

fn shop() -> Shop {
    Shop::new(&[
        (
            "models/orders.sql",
            "{{ log('seen in the log', info=true) }}{% do print('printed') %}\nselect {{ var('amount', 1) }} as amount",
        ),
        (
            "models/broken.sql",
            "select amount,\n    wrong\nfrom {{ ref('orders') }}",
        ),
    ])
}

#[test]
fn quiet_shows_errors_only() {
    let mut shop = shop();
    shop.run("msv run --quiet --select orders")
        .run("msv run -q")
        .run("MSV_QUIET=true msv run --select orders")
        .run("msv run --no-print --select orders")
        .run("DBT_PRINT=0 msv run --select orders")
        .run("msv run --log-level warn --select orders")
        .run("MSV_LOG_LEVEL=error msv run --select orders");
    assert_snapshot!(shop.transcript());
}

#[test]
fn json_log_has_one_object_a_line() {
    let mut shop = shop();
    for line in ["msv run --log-format json", "DBT_LOG_FORMAT=json msv run"] {
        let output = shop.command(line).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let events: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let lines: Vec<String> = events
            .iter()
            .map(|event| {
                let info = &event["info"];
                let text = info["msg"].as_str().unwrap();
                format!(
                    "{} {}: {text}",
                    info["level"].as_str().unwrap(),
                    info["name"].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(output.status.code(), Some(1));
        assert_snapshot!("json_log", shop.steady(lines.join("\n").as_bytes()));
    }
    shop.run("msv run --log-format json --select nobody");
    shop.write("models/broken.sql", "{{ ref('nobody') }}");
    shop.run("msv run --log-format json");
    assert_snapshot!("json_log_of_mistakes", shop.transcript());
}

#[test]
fn colours_are_used_when_asked_for_and_never_in_a_pipe() {
    let shop = shop();
    let coloured = |line: &str| {
        let output = shop.command(line).output().unwrap();
        [output.stdout, output.stderr].concat().contains(&0x1b)
    };
    assert!(!coloured("msv run"));
    assert!(!coloured("NO_COLOR=1 msv run"));
    assert!(coloured("msv run --use-colors"));
    assert!(coloured("DBT_USE_COLORS=1 msv run"));
    assert!(!coloured("msv run --use-colors --no-use-colors"));
    assert!(!coloured("NO_COLOR=1 msv run --vars '{a: [}'"));
}

#[test]
fn settings_come_from_the_environment() {
    let mut shop = shop();
    shop.write(
        "models/target.sql",
        "select '{{ target.name }}' as name, '{{ env_var('DBT_DESK', 'none') }}' as desk",
    );
    shop.quietly("msv run --exclude broken --vars '{amount: 7}'");
    shop.ask("select amount from analytics.orders");
    shop.quietly("DBT_VARS='{amount: 8}' msv run --exclude broken");
    shop.ask("select amount from analytics.orders");
    shop.run("MSV_TARGET=nowhere msv ls")
        .run("DBT_TARGET=nowhere msv ls")
        .run("DBT_PROFILE=nobody msv ls")
        .run("DBT_TARGET_PATH=out msv parse");
    assert!(shop.path().join("out/manifest.json").exists());
    shop.quietly("DBT_DESK=blue msv run --select target");
    shop.ask("select * from analytics.target");
    shop.run("DBT_WRITE_JSON=false DBT_TARGET_PATH=none msv run --select target");
    assert!(!shop.path().join("none/manifest.json").exists());
    shop.run("MSV_PROJECT_DIR=nowhere msv ls");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_project_is_found_from_below_and_by_its_folder() {
    let mut shop = shop();
    shop.write(
        "other/profiles.yml",
        &std::fs::read_to_string(shop.path().join("profiles.yml"))
            .unwrap()
            .replace("analytics", "elsewhere"),
    );
    shop.run("msv ls --output name");
    let below = shop
        .command("msv ls --output name")
        .current_dir(shop.path().join("models"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&below.stdout), "broken\norders\n");
    shop.run("msv compile --profiles-dir other --select broken");
    shop.run("DBT_PROFILES_DIR=other msv compile --select broken");
    assert_snapshot!(shop.transcript());
}

#[test]
fn the_log_says_what_the_project_holds_and_what_a_command_costs() {
    let shop = shop();
    let line = "DBT_SHOW_RESOURCE_REPORT=1 DBT_ENV_SECRET_WORD=horse msv --log-format json run --select orders --vars '{amount: 1, note: horse}'";
    let output = shop.command(line).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let event = |name: &str| {
        text.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .find(|event| event["info"]["name"] == name)
            .unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    assert_eq!(event("AdapterRegistered")["info"]["level"], "info");
    let found = event("FoundStats");
    let line = found["data"]["stat_line"].as_str().unwrap();
    assert!(
        line.starts_with("2 models, ") && line.ends_with(" macros"),
        "{line}"
    );
    let result = event("LogModelResult");
    assert_eq!(result["data"]["status"], "CREATE VIEW");
    assert_eq!(result["info"]["code"], "Q012");
    let message = result["info"]["msg"].as_str().unwrap();
    assert!(
        message.starts_with("1 of 1 OK created sql view model analytics.orders ......"),
        "{message}"
    );
    let report = event("ResourceReport");
    assert_eq!(report["info"]["level"], "info");
    assert_eq!(report["data"]["command_success"], true);
    let log = std::fs::read_to_string(shop.path().join("logs/dbt.log")).unwrap();
    assert!(log.contains("Wrote artifact WritableManifest to "), "{log}");
    assert!(log.contains("running msv run with arguments"), "{log}");
    assert!(!text.contains("horse") && !log.contains("horse"));
    assert!(log.contains("*****"), "{log}");
}

#[test]
fn a_seed_shows_rows_of_what_it_loaded() {
    let mut shop = shop();
    shop.write("seeds/symbols.csv", "symbol,lot\nABC,100\n");
    shop.run("msv seed --show");
    assert_snapshot!(shop.transcript());
}
