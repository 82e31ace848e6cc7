//! Named: a tuple whose items have names, such as what `isocalendar()` gives.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use crate::value::text::repr;

/// See the module's words.
#[derive(Debug)]
pub struct Named {
    kind: &'static str,
    items: Vec<(&'static str, Value)>,
}

impl Named {
    pub(crate) fn value(kind: &'static str, items: Vec<(&'static str, Value)>) -> Value {
        Value::from_object(Named { kind, items })
    }
}

impl Object for Named {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let found = match key.as_str() {
            Some(name) => self.items.iter().find(|(own, _)| *own == name),
            None => self.items.get(key.as_usize()?),
        };
        found.map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.items.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.items.iter();
        let items: Vec<String> = items
            .map(|(name, value)| format!("{name}={}", repr(value)))
            .collect();
        write!(f, "{}({})", self.kind, items.join(", "))
    }
}
