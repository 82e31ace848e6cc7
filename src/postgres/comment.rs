//! What every statement of a session carries, put into its text.

/// A comment that every statement carries, so that the server's lists of statements tell who sent
/// them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementComment {
    /// Without its delimiters; it holds no `*/`.
    pub text: String,
    /// Stands behind the statement, not before it.
    pub is_behind: bool,
}

impl StatementComment {
    /// What stands before a statement.
    pub(crate) fn prefix(&self) -> String {
        if self.is_behind {
            String::new()
        } else {
            format!("/* {} */\n", self.text)
        }
    }

    /// The statement with the comment.
    pub fn on(&self, sql: &str) -> String {
        if !self.is_behind {
            return format!("{}{sql}", self.prefix());
        }
        let body = sql.trim_end();
        match body.strip_suffix(';') {
            Some(body) => format!("{body}\n/* {} */;", self.text),
            None => format!("{body}\n/* {} */", self.text),
        }
    }
}
