//! PostgreSQL: the only module that names the driver.
