//! Relations that stand in for nodes while a command runs: what it builds is read by its other
//! nodes before anybody else gets to see it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::parse::UniqueId;
use crate::relation::Relation;

/// The relations by node, and how people know them.
#[derive(Debug, Default)]
pub struct StandIns {
    relations: HashMap<UniqueId, Relation>,
    /// From private names to those that people know.
    names: HashMap<String, String>,
    /// What all private names begin with.
    prefix: &'static str,
    is_over: AtomicBool,
}

impl StandIns {
    /// Takes nodes with their private and their public relation.
    pub fn new(
        prefix: &'static str,
        nodes: impl IntoIterator<Item = (UniqueId, Relation, Relation)>,
    ) -> Self {
        let mut stand_ins = StandIns {
            prefix,
            ..StandIns::default()
        };
        for (id, private, public) in nodes {
            let name = public.name().replace('"', "\"\"");
            stand_ins.names.insert(private.name().to_owned(), name);
            stand_ins.relations.insert(id, private);
        }
        stand_ins
    }

    /// The relation to read in place of the node's own.
    pub fn of(&self, node: &UniqueId) -> Option<&Relation> {
        if self.is_over.load(Ordering::SeqCst) {
            return None;
        }
        self.relations.get(node)
    }

    /// From now on every node is read where people read it.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// A text that may name stand-ins, with the names that people know.
    pub fn public_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.names.is_empty() || !text.contains(self.prefix) {
            return Cow::Borrowed(text);
        }
        let mut public = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(self.prefix) {
            let (before, from) = rest.split_at(at);
            let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let length = from.bytes().take_while(|byte| is_of_name(byte)).count();
            let (name, after) = from.split_at(length);
            public.push_str(before);
            public.push_str(self.names.get(name).map_or(name, String::as_str));
            rest = after;
        }
        public.push_str(rest);
        Cow::Owned(public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_show_the_names_that_people_know() {
        let named = |name: &str| Relation::new("d", "s", name);
        let id = UniqueId::new("model.shop.orders");
        let stand_ins = StandIns::new(
            "tmp__",
            [(id.clone(), named("tmp__1_a"), named("or\"ders"))],
        );
        assert_eq!(
            stand_ins.public_text("select * from \"s\".\"tmp__1_a\" join tmp__1_ab, tmp__1_a"),
            "select * from \"s\".\"or\"\"ders\" join tmp__1_ab, or\"\"ders"
        );
        assert_eq!(stand_ins.of(&id).map(Relation::name), Some("tmp__1_a"));
        stand_ins.end();
        assert_eq!(stand_ins.of(&id), None);
    }
}
