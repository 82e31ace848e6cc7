//! The template language: dbt's Jinja on unmodified minijinja.
