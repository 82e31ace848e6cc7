{# One row per rule, with the parameters in force. #}
with rules as (

    select * from {{ ref('rules') }}

),

parameters as (
    {{ rule_parameters() }}

),

described as (

    select
        rules.rule_id,
        rules.name,
        rules.description,
        rules.legal_reference,
        rules.version,
        parameters.parameters,
        md5(parameters.parameters::text) as parameter_set_hash
    from rules
    left join parameters on rules.rule_id = parameters.rule_id

)

select * from described
