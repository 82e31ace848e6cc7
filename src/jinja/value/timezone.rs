//! Timezone: `modules.pytz`, with the zones of the system's database.

use std::sync::Arc;

use jiff::tz::TimeZone;
use minijinja::value::{Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::value::datetime::Moment;
use crate::value::{Arguments, failed, unknown_method};

/// `modules.pytz`
#[derive(Debug)]
pub(crate) struct Pytz;

impl Object for Pytz {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "utc" | "UTC" => Some(Moment::Zone(TimeZone::UTC).into_value()),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "timezone" => {
                let name = Arguments::new(args)?.text(0, "zone")?;
                let zone = TimeZone::get(&name)
                    .map_err(|_| failed(format!("no time zone is named `{name}`")))?;
                Ok(Moment::Zone(zone).into_value())
            }
            _ => Err(unknown_method()),
        }
    }
}
