//! Foreign keys of other tables follow a table that is exchanged.
//!
//! They are dropped with the old table locked and made again on the new one, unchecked for the rows
//! that are there, so that nobody waits for the check; it is made up for after the publication. A
//! key whose rows have no counterpart in the new version stays, unchecked, until the table that has
//! it is built again: a dependency never hinders the rebuild of what it depends on.

use crate::postgres::catalog::ForeignKey;
use crate::postgres::{Error, Session};
use crate::relation::{Relation, quote_identifier};

/// A key that was made again, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::run::publish) struct Moved {
    pub key: ForeignKey,
    /// Why it could not be made again.
    pub refusal: Option<String>,
}

/// Locks the tables that have the keys, and takes the keys off them.
pub(in crate::run::publish) fn lock(
    session: &mut Session,
    keys: &[ForeignKey],
) -> Result<(), Error> {
    for key in keys {
        let lock = format!("lock table {} in access exclusive mode", key.table);
        session.execute(&lock)?;
    }
    Ok(())
}

pub(in crate::run::publish) fn take_off(
    session: &mut Session,
    keys: &[ForeignKey],
) -> Result<(), Error> {
    for key in keys {
        session.execute(&format!(
            "alter table {} drop constraint {}",
            key.table,
            quote_identifier(&key.name)
        ))?;
    }
    Ok(())
}

/// Makes the keys again, now that the new table has the name they know.
pub(in crate::run::publish) fn put_back(
    session: &mut Session,
    keys: &[ForeignKey],
) -> Result<Vec<Moved>, Error> {
    let mut moved = Vec::new();
    for key in keys {
        session.execute("savepoint msv_key")?;
        let made = session.execute(&format!(
            "alter table {} add constraint {} {} not valid",
            key.table,
            quote_identifier(&key.name),
            key.definition
        ));
        let refusal = match made {
            Ok(_) => None,
            Err(error) if error.is_transient() || error.is_connection_lost() => return Err(error),
            Err(error) => {
                session.execute("rollback to savepoint msv_key")?;
                Some(error.message.clone())
            }
        };
        moved.push(Moved {
            key: key.clone(),
            refusal,
        });
    }
    Ok(moved)
}

/// Checks the keys that were checked before; the answer says which are gone or do not hold.
pub(in crate::run::publish) fn validate(
    session: &mut Session,
    target: &Relation,
    moved: &[Moved],
) -> Vec<String> {
    let mut warnings = Vec::new();
    let target = target.without_database();
    for Moved { key, refusal } in moved {
        let ForeignKey { table, name, .. } = key;
        if let Some(refusal) = refusal {
            warnings.push(format!(
                "the foreign key `{name}` of {table} is gone: it does not fit the new version of \
                 {target} ({refusal})"
            ));
            continue;
        }
        if !key.is_valid {
            continue;
        }
        let name_sql = quote_identifier(name);
        let checked = session.execute(&format!(
            "alter table {table} validate constraint {name_sql}"
        ));
        // A table that was exchanged meanwhile has its own keys on the new version.
        if let Err(error) = checked
            && error.sqlstate != "42704"
        {
            warnings.push(format!(
                "the foreign key `{name}` of {table} does not hold for all its rows any more and \
                 stays unchecked until that table is built again ({})",
                error.message
            ));
        }
    }
    warnings
}
