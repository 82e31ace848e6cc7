//! User-defined functions: created before what calls them, selected, listed, put into the manifest.

use insta::assert_snapshot;

use crate::support::shop::Shop;

#[test]
fn a_function_is_created_before_the_models_that_call_it() {
    let mut shop = Shop::new(&[
        (
            "functions/doubled.sql",
            "select amount * {{ var('factor', 2) }}",
        ),
        (
            "functions/money/quadrupled.sql",
            "select {{ function('doubled') }}({{ function('shop', 'doubled') }}(amount))",
        ),
        (
            "functions/functions.yml",
            "functions:\n\
             - name: doubled\n  config: {volatility: deterministic}\n  \
               arguments:\n  - {name: amount, data_type: numeric, default_value: 100}\n  \
               returns: {data_type: numeric}\n\
             - name: quadrupled\n  \
               arguments: [{name: amount, data_type: numeric}]\n  \
               returns: {data_type: numeric}\n",
        ),
        (
            "models/prices.sql",
            "{{ config(materialized='table') }}\n\
             select {{ function('quadrupled') }}(3) as price, {{ function('doubled') }}() as plain",
        ),
    ]);
    shop.run("msv build")
        .ask("select price, plain from analytics.prices")
        .ask("select proname, provolatile from pg_proc where pronamespace = 'analytics'::regnamespace order by 1")
        .run("msv ls --resource-type function")
        .run("msv ls --select +prices,resource_type:function")
        .run("msv build --select doubled --vars '{factor: 5}'")
        .run("msv show --inline 'select {{ function(\"doubled\") }}(1) as five'");
    assert_snapshot!(shop.transcript());
}

const OVERLOADS: &str = "functions:\n\
    - name: emptied\n  description: Nothing in the place of what is empty\n  \
      config: {grants: {execute: [function_reader]}, persist_docs: {relation: true}}\n  \
      arguments: [{name: given, data_type: text}]\n  returns: {data_type: text}\n  overloads:\n  \
      - defined_in: emptied_array\n    arguments: [{name: given, data_type: 'text[]'}]\n    \
        returns: {data_type: 'text[]'}\n  \
      - defined_in: emptied_or\n    arguments: [{name: given, data_type: text}, \
        {name: other, data_type: text}, {name: third, data_type: text, default_value: 'null'}]\n";

/// All functions of a name are one node: made in one transaction, with what each of them calls
/// made before.
#[test]
fn functions_of_one_name_are_built_together() {
    let mut shop = Shop::new(&[
        ("functions/helper.sql", "select 'none'::text"),
        ("functions/emptied.sql", "select nullif(given, '')"),
        (
            "functions/text/emptied_array.sql",
            "select nullif(given, '{}')",
        ),
        (
            "functions/emptied_or.sql",
            "select coalesce(nullif(given, ''), other, third, {{ function('helper') }}())",
        ),
        ("functions/overloads.yml", OVERLOADS),
        (
            "functions/functions.yml",
            "functions: [{name: helper, returns: {data_type: text}}]",
        ),
        (
            "models/calls.sql",
            "{{ config(materialized='table') }}\nselect {{ function('emptied') }}(array[]::text[]) as many, \
             {{ function('emptied') }}('', 'x') as other, {{ function('emptied') }}('', null) as helped",
        ),
    ]);
    shop.execute("create role function_reader");
    shop.quietly("msv build");
    shop.ask("select * from analytics.calls");
    let functions = "select proc.oid::regprocedure::text, obj_description(proc.oid), \
        (select count(*) from aclexplode(proacl) as given inner join pg_roles on pg_roles.oid = given.grantee \
         where rolname = 'function_reader') from pg_proc as proc \
        where pronamespace = 'analytics'::regnamespace order by 1";
    shop.ask(functions);
    shop.run("msv ls --resource-type function");
    // One of them fails: all stay what they were.
    shop.write("functions/emptied.sql", "select upper(nullif(given, ''))");
    shop.write("functions/emptied_or.sql", "select nobody");
    shop.run("msv build --quiet --select emptied");
    shop.ask("select analytics.emptied('a'::text) as same");
    // What one returns changes: it is dropped and keeps what it was given.
    shop.write("functions/emptied_or.sql", "select length(given)");
    shop.write(
        "functions/overloads.yml",
        &OVERLOADS
            .replace(
                "defined_in: emptied_or",
                "defined_in: emptied_or\n    returns: {data_type: integer}",
            )
            .replace("config: {grants", "config: {enabled: true, grants"),
    );
    shop.quietly("msv build --select emptied");
    shop.ask("select pg_typeof(analytics.emptied('abc', 'b', 'c'))");
    shop.ask(functions);
    assert_snapshot!(shop.transcript());
}
