//! Timezone: `modules.pytz`, with the zones of the system's database.

use std::sync::Arc;

use jiff::tz::{Offset, TimeZone};
use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::methods::Bound;
use crate::value::datetime::Moment;
use crate::value::list::List;
use crate::value::{Arguments, failed, unknown_method};

/// `modules.pytz`
#[derive(Debug)]
pub(crate) struct Pytz;

const NAMES: [&str; 6] = [
    "FixedOffset",
    "all_timezones",
    "all_timezones_set",
    "common_timezones",
    "timezone",
    "utc",
];

impl Object for Pytz {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&NAMES)
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "utc" => Some(Moment::Zone(TimeZone::UTC).into_value()),
            "all_timezones" | "all_timezones_set" | "common_timezones" => {
                let database = jiff::tz::db();
                let names = database.available();
                Some(List::value(
                    names.map(|name| Value::from(name.as_str())).collect(),
                ))
            }
            name @ ("timezone" | "FixedOffset") => {
                Some(Bound::value(&Value::from_dyn_object(self.clone()), name))
            }
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        match method {
            "timezone" => {
                let name = arguments.text(0, "zone")?;
                let zone = TimeZone::get(&name)
                    .map_err(|_| failed(format!("no time zone is named `{name}`")))?;
                Ok(Moment::Zone(zone).into_value())
            }
            "FixedOffset" => {
                let minutes = arguments.required(0, "offset")?.as_i64();
                let seconds = minutes.and_then(|minutes| i32::try_from(minutes * 60).ok());
                let offset = seconds.and_then(|seconds| Offset::from_seconds(seconds).ok());
                let offset = offset.ok_or_else(|| failed("there is no such offset"))?;
                Ok(Moment::Zone(TimeZone::fixed(offset)).into_value())
            }
            _ => Err(unknown_method()),
        }
    }
}
