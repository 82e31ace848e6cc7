//! Laws: no text makes the template language panic, and offsets find their way back.

use std::sync::Arc;

use msv::jinja::{Source, extract_blocks};
use proptest::prelude::*;

use crate::jinja::host::{TestHost, engine};

/// Pieces that mean something to the language, put together at random.
fn template() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{{ "),
        Just(" }}"),
        Just("{% "),
        Just(" %}"),
        Just("{#"),
        Just("#}"),
        Just("{%}"),
        Just("-%}"),
        Just("{%-"),
        Just("if x"),
        Just("endif"),
        Just("for a in b"),
        Just("endfor"),
        Just("set x = "),
        Just("macro m(a, b=a)"),
        Just("endmacro"),
        Just("docs d"),
        Just("enddocs"),
        Just("test t(m)"),
        Just("endtest"),
        Just("materialization m"),
        Just("["),
        Just("]"),
        Just("{"),
        Just("}"),
        Just("("),
        Just(")"),
        Just("'"),
        Just("\""),
        Just("\\"),
        Just("a"),
        Just("é"),
        Just("🦀"),
        Just("1"),
        Just("1.5"),
        Just(" + "),
        Just(" - "),
        Just(" % "),
        Just(" * "),
        Just(" ~ "),
        Just("|"),
        Just("upper"),
        Just("."),
        Just(","),
        Just(":"),
        Just("="),
        Just("=="),
        Just(" in "),
        Just(" not "),
        Just(" is "),
        Just("defined"),
        Just("ref('a')"),
        Just("config(a=1)"),
        Just("[1:2]"),
        Just("raw"),
        Just("endraw"),
        Just("\n"),
        Just(" "),
        Just("call m()"),
        Just("endcall"),
        Just("do "),
    ];
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_template_makes_it_panic(text in template()) {
        let (_, mistakes) = extract_blocks("shop", "a.sql".into(), text.as_str().into());
        for mistake in mistakes {
            mistake.render(false);
        }
        let engine = engine(&[]);
        for is_parsing in [true, false] {
            let host = TestHost { is_parsing, ..TestHost::default() };
            match engine.render(&Source::whole("a.sql", text.as_str()), Arc::new(host)) {
                Ok(rendered) => {
                    for at in 0..rendered.text.len() {
                        let (_, span) = rendered.map.locate(at).expect("all output has an origin");
                        prop_assert!(text.get(span).is_some());
                    }
                }
                Err(mistake) => {
                    mistake.render(false);
                }
            }
        }
    }

    #[test]
    fn text_without_tags_stays_and_maps_to_itself(text in "[a-zé \n]{0,40}") {
        let host = Arc::new(TestHost::default());
        let rendered = engine(&[])
            .render(&Source::whole("a.sql", text.as_str()), host)
            .expect("there is nothing to get wrong");
        prop_assert_eq!(&rendered.text, &text);
        for (at, c) in text.char_indices() {
            let (_, span) = rendered.map.locate(at).expect("it is in the text");
            prop_assert_eq!(&text[span], c.to_string());
        }
    }
}
