//! The documentation page: one file that reads `manifest.json` and `catalog.json` beside it, or
//! holds both.

/// The page as it is served and written beside the artifacts.
pub const PAGE: &str = include_str!("index.html");

/// The page with both artifacts inside, to be opened without a server.
pub fn static_page(manifest_json: &str, catalog_json: &str) -> String {
    let mut page = PAGE.to_owned();
    for (name, json) in [("manifest", manifest_json), ("catalog", catalog_json)] {
        let empty = format!("<script id=\"{name}\" type=\"application/json\"></script>");
        let full = empty.replace("></", &format!(">{}</", inside_script(json)));
        page = page.replace(&empty, &full);
    }
    page
}

/// JSON that cannot end the element it stands in.
fn inside_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_project_ends_the_script_it_stands_in() {
        let page = static_page(r#"{"description": "</script><b>"}"#, "{}");
        assert!(page.contains(r#"json">{"description": "\u003c/script>\u003cb>"}</script>"#));
        assert!(page.contains(r#"<script id="catalog" type="application/json">{}</script>"#));
    }
}
