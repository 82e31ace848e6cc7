//! Stars in place of secrets: values of environment variables that are named as secrets.

/// Variables whose values no log and no artifact may show.
const SECRET_PREFIXES: [&str; 3] = ["DBT_ENV_SECRET", "DBT_ENGINE_ENV_SECRET", "MSV_ENV_SECRET"];

/// The secrets of this process.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    values: Vec<String>,
}

impl Secrets {
    /// Collects the secrets of the environment, longest first, so that none hides part of another.
    pub fn of_environment() -> Secrets {
        Secrets::of(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    fn of(variables: impl Iterator<Item = (String, String)>) -> Secrets {
        let mut values: Vec<String> = variables
            .filter(|(name, value)| {
                !value.is_empty()
                    && SECRET_PREFIXES
                        .iter()
                        .any(|prefix| name.starts_with(prefix))
            })
            .map(|(_, value)| value)
            .collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Secrets { values }
    }

    /// The text without secrets.
    pub fn hide(&self, text: String) -> String {
        self.values
            .iter()
            .filter(|value| !value.is_empty())
            .fold(text, |text, value| match text.contains(value.as_str()) {
                true => text.replace(value.as_str(), "*****"),
                false => text,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_holds_another_is_hidden_whole() {
        let variables = [
            ("DBT_ENV_SECRET_A", "horse"),
            ("DBT_ENV_SECRET_B", "horse battery"),
            ("HOME", "stable"),
        ];
        let secrets = Secrets::of(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        assert_eq!(
            secrets.hide("horse battery, horse, stable".to_owned()),
            "*****, *****, stable"
        );
    }
}
