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
