//! `msv deps`: packages from an index, from git, from archives and from folders, and its lock file.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;

use crate::support::shop::Shop;

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A package as a `.tar.gz` with one folder in it.
fn archive(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(packed);
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        let path = format!("{name}-1a2b3c/{path}");
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Serves pages on the loopback until the process ends; the first answer to each is an error, so
/// that another try is needed.
fn serve(pages: impl FnOnce(u16) -> Vec<(String, Vec<u8>)>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let pages = pages(port);
    std::thread::spawn(move || {
        let mut asked: Vec<String> = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            let path = first.split(' ').nth(1).unwrap().to_owned();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let page = pages.iter().find(|(name, _)| *name == path);
            let (status, body) = match page {
                Some(_) if !asked.contains(&path) => ("503 Busy", &[][..]),
                Some((_, body)) => ("200 OK", body.as_slice()),
                None => ("404 Not Found", &[][..]),
            };
            asked.push(path);
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body).unwrap();
        }
    });
    port
}

/// Pages of an index with two packages, one of which asks for the other.
fn index(port: u16) -> Vec<(String, Vec<u8>)> {
    let release = |name: &str, version: &str, packages: &str| {
        format!(
            r#""{version}": {{"name": "{name}", "version": "{version}", "packages": {packages},
               "downloads": {{"tarball": "http://127.0.0.1:{port}/files/{name}-{version}.tar.gz"}}}}"#
        )
    };
    let versions = ["1.0.0", "1.1.0", "1.2.0-rc1", "2.0.0"];
    let utils: Vec<String> = versions
        .iter()
        .map(|version| release("utils", version, "[]"))
        .collect();
    let needs = r#"[{"package": "acme/utils", "version": [">=1.0.0", "<2.0.0"]}]"#;
    let audit = release("audit", "0.3.0", needs);
    let json = |text: String| text.into_bytes();
    let project = |name: &str| ("dbt_project.yml", format!("name: {name}\n"));
    let (utils_project, audit_project) = (project("utils"), project("audit"));
    vec![
        (
            "/api/v1/index.json".to_owned(),
            json(r#"["acme/utils", "acme/audit"]"#.to_owned()),
        ),
        (
            "/api/v1/acme/utils.json".to_owned(),
            json(format!(
                r#"{{"name": "utils", "versions": {{{}}}}}"#,
                utils.join(", ")
            )),
        ),
        (
            "/api/v1/acme/audit.json".to_owned(),
            json(format!(
                r#"{{"name": "audit", "redirectname": "audit_tools", "versions": {{{audit}}}}}"#
            )),
        ),
        (
            "/files/utils-1.1.0.tar.gz".to_owned(),
            archive(
                "utils",
                &[
                    (utils_project.0, &utils_project.1),
                    ("macros/one.sql", "{% macro one() %}1{% endmacro %}"),
                ],
            ),
        ),
        (
            "/files/audit-0.3.0.tar.gz".to_owned(),
            archive("audit", &[(audit_project.0, &audit_project.1)]),
        ),
    ]
}

#[test]
fn an_index_gives_the_newest_version_that_all_packages_admit() {
    let port = serve(index);
    let mut shop = Shop::new(&[
        (
            "packages.yml",
            "packages:\n  - package: acme/utils\n    version: \">=0.9.0\"\n  - package: acme/audit\n    version: 0.3.0\n",
        ),
        ("models/one.sql", "select {{ utils.one() }} as one"),
    ]);
    let deps = format!("DBT_PACKAGE_HUB_URL=http://127.0.0.1:{port}/ msv deps");
    shop.run("msv parse").run(&deps).run("msv parse");
    let lock = fs::read_to_string(shop.path().join("package-lock.yml")).unwrap();
    assert_eq!(
        lock,
        "packages:\n  - name: utils\n    package: acme/utils\n    version: 1.1.0\n  - name: audit\n    package: acme/audit\n    version: 0.3.0\nsha1_hash: 7c568f4d12f544191fab2941cd48b42dc8a9ac56\n"
    );
    // The lock file is believed: nothing is chosen again, and no temporary folder stays.
    shop.run(&deps)
        .run(&format!("{deps} --lock"))
        .run(&format!("{deps} --add-package acme/util@1.0.0"))
        .run(&format!("{deps} --add-package acme/audit@0.4.0"));
    shop.write(
        "packages.yml",
        "packages:\n  - {package: acme/utils, version: 2.0.0}\n  - {package: acme/audit, version: 0.3.0}\n",
    );
    shop.run(&deps);
    let left: Vec<String> = fs::read_dir(shop.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("packages-") || name.ends_with(".tmp"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    let transcript = shop.transcript().replace(&port.to_string(), "<port>");
    assert_snapshot!(transcript);
}

#[test]
fn git_local_and_archived_packages_are_installed() {
    let mut shop = Shop::new(&[("models/one.sql", "select 1 as one")]);
    let elsewhere = tempfile::tempdir().unwrap();
    let mono = elsewhere.path().join("mono");
    write(&mono, "tools/dbt_project.yml", "name: tools\n");
    write(
        &mono,
        "tools/macros/t.sql",
        "{% macro t() %}old{% endmacro %}",
    );
    git(&mono, &["init", "--quiet", "--initial-branch", "main"]);
    git(&mono, &["add", "."]);
    git(&mono, &["commit", "--quiet", "-m", "one"]);
    git(&mono, &["tag", "v1"]);
    let first = git(&mono, &["rev-parse", "HEAD"]);
    write(
        &mono,
        "tools/macros/t.sql",
        "{% macro t() %}new{% endmacro %}",
    );
    git(&mono, &["commit", "--quiet", "-am", "two"]);
    let packed = archive("flat", &[("dbt_project.yml", "name: whatever\n")]);
    fs::write(elsewhere.path().join("flat.tar.gz"), packed).unwrap();
    shop.write("vendor/near/dbt_project.yml", "name: near\n");
    shop.write(
        "vendor/near/packages.yml",
        "packages:\n  - local: vendor/nearer\n",
    );
    shop.write("vendor/nearer/dbt_project.yml", "name: nearer\n");
    let url = format!("file://{}", mono.display());
    let entries = format!(
        "packages:\n  - git: \"{{{{ env_var('DBT_ENV_SECRET_URL') }}}}\"\n    revision: v1\n    subdirectory: tools\n  - local: vendor/near\n  - tarball: file://{}/flat.tar.gz\n    name: flat\n",
        elsewhere.path().display()
    );
    shop.write("packages.yml", &entries);
    let deps = format!("DBT_ENV_SECRET_URL={url} msv deps");
    shop.run(&deps);
    let installed = |path: &str| fs::read_to_string(shop.path().join("dbt_packages").join(path));
    assert!(installed("tools/macros/t.sql").unwrap().contains("old"));
    assert!(installed("flat/dbt_project.yml").is_ok());
    assert!(installed("nearer/dbt_project.yml").is_ok());
    let lock = fs::read_to_string(shop.path().join("package-lock.yml")).unwrap();
    assert!(
        lock.contains("git: '{{ env_var(''DBT_ENV_SECRET_URL'') }}'"),
        "{lock}"
    );
    assert!(lock.contains(&first), "{lock}");

    shop.write("packages.yml", &entries.replace("    revision: v1\n", ""));
    shop.run(&deps);
    shop.write("packages.yml", &entries.replace("v1", "v9"));
    shop.run(&deps);
    shop.write(
        "packages.yml",
        &format!("{entries}  - local: vendor/twin\n"),
    );
    shop.write("vendor/twin/dbt_project.yml", "name: near\n");
    shop.run(&deps);
    assert!(
        shop.path().join("dbt_packages/near/packages.yml").exists(),
        "a command that fails leaves the packages as they were"
    );
    let second = git(&mono, &["rev-parse", "HEAD"]);
    let transcript = shop
        .transcript()
        .replace(&elsewhere.path().display().to_string(), "<elsewhere>")
        .replace(&first, "<first>")
        .replace(&second, "<second>");
    assert_snapshot!(transcript);
}

#[test]
fn a_package_is_added_without_touching_the_rest_of_the_file() {
    let mut shop = Shop::new(&[(
        "packages.yml",
        "# what we use\npackages:\n    - package: acme/utils  # pinned\n      version: 1.0.0\n    - local: vendor/near\n# the end\n",
    )]);
    shop.write("vendor/near/dbt_project.yml", "name: near\n");
    shop.write("vendor/far/dbt_project.yml", "name: far\n");
    shop.write(
        "mirror/acme/utils/dbt_project.yml",
        "name: utils\nversion: 1.4.0\n",
    );
    shop.run("DBT_PACKAGE_HUB_URL=mirror msv deps --add-package acme/utils@>=1.1.0,<2.0.0")
        .run("DBT_PACKAGE_HUB_URL=mirror msv deps --add-package vendor/far --source local")
        .run("msv deps --add-package acme/utils");
    let text = fs::read_to_string(shop.path().join("packages.yml")).unwrap();
    assert_eq!(
        text,
        "# what we use\npackages:\n    - local: vendor/near\n    - package: acme/utils\n      version: [\">=1.1.0\",\"<2.0.0\"]\n    - local: vendor/far\n# the end\n"
    );
    assert_snapshot!(shop.transcript());
}
