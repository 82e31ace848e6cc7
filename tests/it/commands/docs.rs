//! `msv docs`: what is written, and what the server gives away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use crate::support::shop::Shop;

fn shop() -> Shop {
    Shop::new(&[
        (
            "project.yml",
            "name: shop\nprofile: shop\nasset-paths: [pictures, ../outside]\n",
        ),
        ("models/orders.sql", "select 1 as order_id"),
        (
            "models/orders.yml",
            "models: [{name: orders, description: 'a </script> b ![plan](pictures/plan.png)'}]",
        ),
        ("pictures/plan.png", "not really a picture"),
    ])
}

/// A server that ends with this value.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(shop: &Shop) -> Server {
        let mut child = shop
            .command("msv docs serve --port 0 --no-browser")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let (_, rest) = line.split_once("http://").expect("it says where it is");
        let address = rest.split(' ').next().unwrap().to_owned();
        Server { child, address }
    }

    /// The status, the kind and the body of an answer.
    fn get(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.lines().next().unwrap().to_owned();
        (status, body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_server_shows_page_artifacts_and_pictures_and_nothing_else() {
    let mut shop = shop();
    let server = Server::start(&shop);
    let (status, body) = server.get("GET /manifest.json");
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    assert!(body.contains("docs generate"), "{body}");

    shop.quietly("msv run").quietly("msv docs generate");
    let ok = "HTTP/1.1 200 OK";
    let (status, body) = server.get("GET /");
    assert_eq!(status, ok);
    assert!(body.starts_with("<!doctype html>"), "{body}");
    for (path, part) in [
        ("/manifest.json", "model.shop.orders"),
        ("/catalog.json?v=1", "order_id"),
        ("/pictures/plan.png", "not really"),
    ] {
        let (status, body) = server.get(&format!("GET {path}"));
        assert_eq!(status, ok, "{path}");
        assert!(body.contains(part), "{path}: {body}");
    }
    let (status, body) = server.get("HEAD /manifest.json");
    assert_eq!((status.as_str(), body.as_str()), (ok, ""));
    for path in [
        "/run_results.json",
        "/../profiles.yml",
        "/pictures/../../profiles.yml",
        "/pictures",
        "//etc/passwd",
        "",
    ] {
        let (status, _) = server.get(&format!("GET {path}"));
        assert_eq!(status, "HTTP/1.1 404 Not Found", "{path}");
    }
    let (status, _) = server.get("DELETE /");
    assert_eq!(status, "HTTP/1.1 405 Method Not Allowed");

    let (_, port) = server.address.rsplit_once(':').unwrap();
    let second = shop
        .command(&format!("msv docs serve --port {port}"))
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&second.stderr).contains("MSV0139"));
}

#[test]
fn a_static_page_holds_both_artifacts() {
    let mut shop = shop();
    shop.quietly("msv run")
        .quietly("msv docs generate --static");
    let read = |name: &str| std::fs::read_to_string(shop.path().join("target").join(name));
    let page = read("static_index.html").unwrap();
    assert!(page.contains("model.shop.orders"), "the manifest is inside");
    assert!(page.contains("\"stats\""), "the catalog is inside");
    assert!(
        page.contains("a \\u003c/script> b"),
        "no text ends a script"
    );
    assert!(read("pictures/plan.png").is_ok());
    let summary = read("graph_summary.json").unwrap();
    assert!(
        summary.contains(r#""linked":{"0":{"name":"model.shop.orders","type":"model"}}"#),
        "{summary}"
    );
}

#[test]
fn a_page_that_cannot_be_written_is_said() {
    let mut shop = shop();
    shop.quietly("msv run");
    // A folder in the way of a file stops root, too.
    std::fs::create_dir_all(shop.path().join("target/index.html")).unwrap();
    let output = shop.command("msv docs generate").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("MSV0474"));
}
