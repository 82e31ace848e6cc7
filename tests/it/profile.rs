//! Reading profiles, and the shipped project with its profile.

use std::fs;
use std::path::Path;

use msv::project::{self, LoadOptions};
use serde_json::json;

use crate::project::{MINIMAL, mistakes, options, render, rendered, write};

fn target(profiles: &str, target: Option<&str>) -> Result<project::Target, String> {
    let dir = write(&[("profiles.yml", profiles)]);
    let options = LoadOptions {
        profiles_dir: Some(dir.path().to_owned()),
        target: target.map(str::to_owned),
        ..options(dir.path())
    };
    project::load_profile(&options, "shop", &render).map_err(|found| rendered(&found))
}

const PROFILES: &str = "\
shop:
  target: dev
  outputs:
    dev: {type: postgres, embedded: true, schema: dev, threads: \"{{ var('threads') }}\"}
    prod:
      type: postgres
      host: db.example.com
      port: \"{{ env_var('PORT') }}\"
      user: loader
      pass: \"{{ env_var('DBT_PASSWORD') }}\"
      database: market
      schema: prod
      sslmode: verify-full
      lock_timeout: 5s
      statement_timeout: 250
";

#[test]
fn a_target_is_read_with_its_templates_and_shows_no_secret() {
    let dev = target(PROFILES, None).expect("a target");
    assert!(dev.is_embedded);
    assert_eq!((dev.name.as_str(), dev.threads, dev.port), ("dev", 3, 5432));
    let prod = target(PROFILES, Some("prod")).expect("a target");
    assert_eq!((prod.port, prod.dbname.as_deref()), (6543, Some("market")));
    assert_eq!(
        (prod.lock_timeout_ms, prod.statement_timeout_ms),
        (Some(5_000), Some(250))
    );
    assert_eq!(
        prod.password.as_ref().map(project::Secret::expose),
        Some("s3cret")
    );
    let shown = format!("{prod:?} {}", json!(prod.context));
    assert!(!shown.contains("s3cret"), "{shown}");
    assert_eq!(prod.context["dbname"], json!("market"));
    assert_eq!(prod.context["port"], json!(6543));
    assert_eq!(prod.context["target_name"], json!("prod"));
}

#[test]
fn a_profile_names_its_mistakes_and_hides_its_password() {
    let refusal = |profiles: &str, name: Option<&str>| match target(profiles, name) {
        Ok(target) => panic!("accepted: {target:?}"),
        Err(shown) => shown,
    };
    let shown = [
        refusal("shpo: {outputs: {}}\n", None),
        refusal(PROFILES, Some("prd")),
        refusal("shop: {target: x, outputs: {x: {type: snowflake}}}\n", None),
        refusal(
            "shop:\n  outputs:\n    default:\n      type: postgres\n      hots: h\n      port: 99999\n      sslmode: on\n      lock_timeout: soon\n      user: \"{{ env_var('NOBODY') }}\"\n",
            None,
        ),
        refusal("shop:\n  outputs:\n    x:\n      password: top: secret\n", None),
    ]
    .join("\n\n");
    assert!(!shown.contains("secret"), "{shown}");
    insta::assert_snapshot!(shown, @r#"
    error[MSV0105]: `profiles.yml` has no profile `shop`
    --> profiles.yml
     |
    help: a profile with a similar name exists: `shpo`

    error[MSV0106]: profile `shop` has no target `prd`
     --> profiles.yml:3:3
      |
    3 |   outputs:
      |   ^^^^^^^ the targets are listed here
      |
    help: a target with a similar name exists: `prod`

    error[MSV0115]: target `x` of profile `shop` has the type `snowflake`
     --> profiles.yml:1:39
      |
    1 | shop: {target: x, outputs: {x: {type: snowflake}}}
      |                                       ^^^^^^^^^
      |
    help: msv builds on PostgreSQL: write `type: postgres`

    error[MSV0110]: this template cannot be rendered
     --> profiles.yml:9:13
      |
    9 |       user: "{{ env_var('NOBODY') }}"
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^ no variable of that name is set

    error[MSV0103]: `port` of target `default` of profile `shop` must lie between 1 and 65535
     --> profiles.yml:6:13
      |
    6 |       port: 99999
      |             ^^^^^

    error[MSV0103]: `sslmode` of target `default` of profile `shop` must be text
     --> profiles.yml:7:16
      |
    7 |       sslmode: on
      |                ^^ this is the boolean true
      |
    help: put it in quotes: "on"

    error[MSV0103]: `lock_timeout` of target `default` of profile `shop` must be a time
     --> profiles.yml:8:21
      |
    8 |       lock_timeout: soon
      |                     ^^^^
      |
    help: write `500ms`, `5s` or `2min`; a number alone counts milliseconds

    error[MSV0107]: target `default` of profile `shop` needs the key `schema`
     --> profiles.yml:4:7
      |
    4 |       type: postgres
      |       ^^^^^^^^^^^^^^
      |
    help: add `schema: analytics`

    error[MSV0107]: target `default` of profile `shop` needs the key `host`
     --> profiles.yml:4:7
      |
    4 |       type: postgres
      |       ^^^^^^^^^^^^^^
      |
    help: add `host: localhost`

    error[MSV0107]: target `default` of profile `shop` needs the key `dbname`
     --> profiles.yml:4:7
      |
    4 |       type: postgres
      |       ^^^^^^^^^^^^^^
      |
    help: add `dbname: my_database`

    warning[MSV0102]: target `default` of profile `shop` has no key `hots`
     --> profiles.yml:5:7
      |
    5 |       hots: h
      |       ^^^^ unknown key
      |
    help: a key with a similar name exists: `host`

    error[MSV0101]: a value that holds `: ` needs quotes
     --> profiles.yml:4:17
      |
    4 |       password: ***********
      |                 ^^^^^^^^^^^ YAML takes this for a key
      |
    help: put the whole value in quotes, or write it below `|`
    "#);
}

#[test]
fn an_invented_key_is_warned_of_once() {
    let shown = mistakes(&[
        MINIMAL,
        (
            "models/a.yml",
            "models:\n  - {name: a, grain: x}\n  - {name: b, grain: x}\n  - {name: c, grain: y}\n",
        ),
    ]);
    insta::assert_snapshot!(shown, @r#"
    warning[MSV0102]: model `a` has no key `grain`
     --> models/a.yml:2:15
      |
    2 |   - {name: a, grain: x}
      |               ^^^^^ unknown key
      |
      = note: the same key stands in 2 more places
    help: put a key of your own below `meta`: `meta: {grain: ...}`
    "#);
}

#[test]
fn the_shipped_project_and_profile_read_without_a_warning() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped = LoadOptions {
        profiles_dir: Some(dir.to_owned()),
        ..options(dir)
    };
    let name = project::profile_name(&shipped, &render).map_err(|found| rendered(&found));
    assert_eq!(name.as_deref(), Ok("msv"));
    let local = project::load_profile(&shipped, "msv", &render).map_err(|found| rendered(&found));
    let local = local.expect("a target");
    assert!(local.is_embedded);
    assert_eq!((local.schema.as_str(), local.threads), ("surveillance", 4));
    let project = project::load(&shipped, &render).map_err(|found| rendered(&found));
    let project = project.expect("a project");
    assert_eq!(rendered(&project.warnings), "");
    assert_eq!(project.root.config.ingest[0].value, "seeds/sample_day");
}

#[test]
fn the_server_example_of_the_shipped_profile_is_a_target() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles.yml");
    let text = fs::read_to_string(path).expect("the shipped profile");
    let text = text.replace("msv:", "shop:");
    let start = text.find("shop:").expect("a profile");
    let text: String = text[start..]
        .lines()
        .filter(|line| {
            !line.contains("A server somebody else runs") && !line.contains("remove the")
        })
        .map(|line| match line.strip_prefix("    # ") {
            Some(example) => format!("    {example}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    let dir = write(&[("profiles.yml", &text)]);
    let options = LoadOptions {
        profiles_dir: Some(dir.path().to_owned()),
        target: Some("server".to_owned()),
        ..options(dir.path())
    };
    let words = |text: &str| match text {
        "{{ env_var('MSV_PORT', '5432') }}" => Ok(json!("5432")),
        _ => Ok(json!("x")),
    };
    let server = project::load_profile(&options, "shop", &words).map_err(|found| rendered(&found));
    let server = server.expect("a target");
    assert_eq!((server.port, server.lock_timeout_ms), (5432, Some(5_000)));
    assert_eq!(server.sslmode.as_deref(), Some("verify-full"));
    assert_eq!(rendered(&server.warnings), "");
}
