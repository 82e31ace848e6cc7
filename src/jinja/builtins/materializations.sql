{# The materializations as templates. msv builds models without them, and takes these steps where a
   project replaces one of the macros that they call. #}

{% materialization table, default %}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set intermediate_relation = make_intermediate_relation(target_relation) -%}
    {%- set old_kind = 'table' if existing_relation is none else existing_relation.type -%}
    {%- set backup_relation = make_backup_relation(target_relation, old_kind) -%}
    {%- do drop_relation_if_exists(load_cached_relation(intermediate_relation)) -%}
    {%- do drop_relation_if_exists(load_cached_relation(backup_relation)) -%}
    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}
    {%- call statement('main') -%}
        {{ get_create_table_as_sql(false, intermediate_relation, sql) }}
    {%- endcall -%}
    {%- do create_indexes(intermediate_relation) -%}
    {%- set existing_relation = load_cached_relation(existing_relation) if existing_relation is not none else none -%}
    {%- if existing_relation is not none -%}
        {%- do adapter.rename_relation(existing_relation, backup_relation) -%}
    {%- endif -%}
    {%- do adapter.rename_relation(intermediate_relation, target_relation) -%}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, full_refresh_mode=true)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {%- do adapter.commit() -%}
    {%- do drop_relation_if_exists(backup_relation) -%}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization view, default %}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set intermediate_relation = make_intermediate_relation(target_relation) -%}
    {%- set old_kind = 'view' if existing_relation is none else existing_relation.type -%}
    {%- set backup_relation = make_backup_relation(target_relation, old_kind) -%}
    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {%- do drop_relation_if_exists(load_cached_relation(intermediate_relation)) -%}
    {%- do drop_relation_if_exists(load_cached_relation(backup_relation)) -%}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}
    {%- call statement('main') -%}
        {{ get_create_view_as_sql(intermediate_relation, sql) }}
    {%- endcall -%}
    {%- set existing_relation = load_cached_relation(existing_relation) if existing_relation is not none else none -%}
    {%- if existing_relation is not none -%}
        {%- do adapter.rename_relation(existing_relation, backup_relation) -%}
    {%- endif -%}
    {%- do adapter.rename_relation(intermediate_relation, target_relation) -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, full_refresh_mode=true)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {%- do adapter.commit() -%}
    {%- do drop_relation_if_exists(backup_relation) -%}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization incremental, default %}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set temp_relation = make_temp_relation(target_relation) -%}
    {%- set intermediate_relation = make_intermediate_relation(target_relation) -%}
    {%- set old_kind = 'table' if existing_relation is none else existing_relation.type -%}
    {%- set backup_relation = make_backup_relation(target_relation, old_kind) -%}
    {%- set unique_key = config.get('unique_key') -%}
    {%- set is_rebuilt = should_full_refresh() or (existing_relation is not none and not existing_relation.is_table) -%}
    {%- set on_schema_change = incremental_validate_on_schema_change(config.get('on_schema_change'), default='ignore') -%}
    {%- do drop_relation_if_exists(load_cached_relation(intermediate_relation)) -%}
    {%- do drop_relation_if_exists(load_cached_relation(backup_relation)) -%}
    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}
    {%- set strategy = config.get('incremental_strategy') or 'default' -%}
    {%- set strategy_macro = adapter.get_incremental_strategy_macro(context, strategy) -%}
    {%- if existing_relation is none -%}
        {%- set built_relation = target_relation -%}
        {%- set build_sql = get_create_table_as_sql(false, target_relation, sql) -%}
    {%- elif is_rebuilt -%}
        {%- set built_relation = intermediate_relation -%}
        {%- set build_sql = get_create_table_as_sql(false, intermediate_relation, sql) -%}
    {%- else -%}
        {%- do run_query(get_create_table_as_sql(true, temp_relation, sql)) -%}
        {%- set contract = config.get('contract') -%}
        {%- if not contract or not contract.enforced -%}
            {%- do adapter.expand_target_column_types(from_relation=temp_relation, to_relation=target_relation) -%}
        {%- endif -%}
        {%- set dest_columns = process_schema_changes(on_schema_change, temp_relation, existing_relation) -%}
        {%- set build_sql = strategy_macro({
            'target_relation': target_relation,
            'temp_relation': temp_relation,
            'unique_key': unique_key,
            'dest_columns': dest_columns or adapter.get_columns_in_relation(existing_relation),
            'incremental_predicates': config.get('predicates', none) or config.get('incremental_predicates', none),
        }) -%}
    {%- endif -%}
    {%- call statement('main') -%}
        {{ build_sql }}
    {%- endcall -%}
    {%- if existing_relation is none or is_rebuilt -%}
        {%- do create_indexes(built_relation) -%}
    {%- endif -%}
    {%- if existing_relation is not none and is_rebuilt -%}
        {%- do adapter.rename_relation(existing_relation, backup_relation) -%}
        {%- do adapter.rename_relation(intermediate_relation, target_relation) -%}
    {%- endif -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, is_rebuilt)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {%- do adapter.commit() -%}
    {%- if existing_relation is not none and is_rebuilt -%}
        {%- do adapter.drop_relation(backup_relation) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization seed, default %}
    {%- set is_rebuilt = should_full_refresh() -%}
    {%- set existing_relation = adapter.get_relation(database=database, schema=schema, identifier=model['alias']) -%}
    {%- set is_table = existing_relation is not none and existing_relation.is_table -%}
    {%- set agate_table = load_agate_table() -%}
    {%- do store_result('agate_table', response='OK', agate_table=agate_table) -%}
    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}
    {%- if existing_relation is not none and existing_relation.is_view -%}
        {%- do exceptions.raise_compiler_error("Cannot seed to '" ~ existing_relation.render() ~ "', it is a view") -%}
    {%- endif -%}
    {%- set made = reset_csv_table(model, is_rebuilt, existing_relation, agate_table) if is_table else create_csv_table(model, agate_table) -%}
    {%- set row_count = agate_table.rows | length -%}
    {%- set filled = load_csv_rows(model, agate_table) if row_count > 0 else '' -%}
    {%- set code = 'CREATE' if is_rebuilt else 'INSERT' -%}
    {%- call noop_statement('main', code ~ ' ' ~ row_count, code, row_count) -%}
        {{ get_csv_sql(made, filled) }};
    {%- endcall -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, is_rebuilt)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {%- if is_rebuilt or not is_table -%}
        {%- do create_indexes(target_relation) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization test, default %}
    {%- set relations = [] -%}
    {%- set sql_header = config.get('sql_header') if flags.REQUIRE_SQL_HEADER_IN_TEST_CONFIGS else none -%}
    {%- set limited = get_limit_subquery_sql(sql, config.get('limit')) -%}
    {%- if should_store_failures() -%}
        {%- set kind = config.get('store_failures_as') or 'table' -%}
        {%- if kind not in ['table', 'view'] -%}
            {%- do exceptions.raise_compiler_error("'" ~ kind ~ "' is not a valid value for `store_failures_as`. Accepted values are: ['ephemeral', 'table', 'view']") -%}
        {%- endif -%}
        {%- set stored = api.Relation.create(database=database, schema=schema, identifier=model['alias'], type=kind) -%}
        {%- do drop_relation_if_exists(adapter.get_relation(database=database, schema=schema, identifier=model['alias'])) -%}
        {%- call statement(auto_begin=true) -%}
            {{ sql_header if sql_header }}
            {{ get_create_sql(stored, limited) }}
        {%- endcall -%}
        {%- do relations.append(stored) -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
    {%- set main_sql = 'select *\n    from ' ~ relations[0] if relations else limited -%}
    {%- call statement('main', fetch_result=true) -%}
        {{ sql_header if sql_header }}
        {{ get_test_sql(main_sql, config.get('fail_calc'), config.get('warn_if'), config.get('error_if'), limit=none) }}
    {%- endcall -%}
    {{ return({'relations': relations}) }}
{% endmaterialization %}

{% materialization unit, default %}
    {%- set sql_header = config.get('sql_header') if flags.REQUIRE_SQL_HEADER_IN_TEST_CONFIGS else none -%}
    {%- set rows = config.get('expected_rows') or [] -%}
    {%- set names = rows[0].keys() if rows else get_columns_in_query(sql) -%}
    {%- set temp_relation = make_temp_relation(this.incorporate(type='table')) -%}
    {%- do run_query(get_create_table_as_sql(true, temp_relation, get_empty_subquery_sql(sql))) -%}
    {%- set types = {} -%}
    {%- set quoted = {} -%}
    {%- for column in adapter.get_columns_in_relation(temp_relation) -%}
        {%- do types.update({column.name | lower: column.data_type}) -%}
        {%- do quoted.update({column.name | lower: column.quoted}) -%}
    {%- endfor -%}
    {%- set shown = [] -%}
    {%- for name in names -%}
        {%- do shown.append(quoted[name | lower]) -%}
    {%- endfor -%}
    {%- set expected_sql = config.get('expected_sql') or get_expected_sql(rows, types, quoted) -%}
    {%- call statement('main', fetch_result=true) -%}
        {{ sql_header if sql_header }}
        {{ get_unit_test_sql(sql, expected_sql, shown) }}
    {%- endcall -%}
    {%- do adapter.drop_relation(temp_relation) -%}
    {{ return({'relations': []}) }}
{% endmaterialization %}

{% materialization snapshot, default %}
    {%- set known = get_or_create_relation(database=model.database, schema=model.schema, identifier=model.get('alias', model.get('name')), type='table') -%}
    {%- set is_there = known[0] -%}
    {%- set target_relation = known[1] -%}
    {%- if not target_relation.is_table -%}
        {%- do exceptions.relation_wrong_type(target_relation, 'table') -%}
    {%- endif -%}
    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}
    {%- set strategy_macro = strategy_dispatch(config.get('strategy')) -%}
    {%- set strategy = strategy_macro(model, 'snapshotted_data', 'source_data', model['config'], is_there) -%}
    {%- if is_there -%}
        {%- set columns = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() -%}
        {%- do adapter.assert_valid_snapshot_target_given_strategy(target_relation, columns, strategy) -%}
        {%- set checked_sql = snapshot_staging_table(strategy, sql, target_relation) -%}
        {%- set staging = build_snapshot_staging_table(strategy, sql, target_relation) -%}
        {%- do adapter.expand_target_column_types(from_relation=staging, to_relation=target_relation) -%}
        {%- set helpers = ['dbt_change_type', 'DBT_CHANGE_TYPE', 'dbt_unique_key', 'DBT_UNIQUE_KEY'] -%}
        {%- if strategy.unique_key | is_list -%}
            {%- for key in strategy.unique_key -%}
                {%- do helpers.extend(['dbt_unique_key_' ~ loop.index, 'DBT_UNIQUE_KEY_' ~ loop.index]) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- do create_columns(target_relation, adapter.get_missing_columns(staging, target_relation) | rejectattr('name', 'in', helpers) | list) -%}
        {%- set inserted = [] -%}
        {%- for column in adapter.get_columns_in_relation(staging) if column.name not in helpers -%}
            {%- do inserted.append(adapter.quote(column.name)) -%}
        {%- endfor -%}
        {%- set final_sql = snapshot_merge_sql(target=target_relation, source=staging, insert_cols=inserted) -%}
    {%- else -%}
        {%- set checked_sql = build_snapshot_table(strategy, model['compiled_code']) -%}
        {%- set final_sql = create_table_as(false, target_relation, checked_sql) -%}
    {%- endif -%}
    {%- do check_time_data_types(checked_sql) -%}
    {%- call statement('main') -%}
        {{ final_sql }}
    {%- endcall -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(is_there, full_refresh_mode=false)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {%- if not is_there -%}
        {%- do create_indexes(target_relation) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {%- do adapter.commit() -%}
    {%- if is_there -%}
        {%- do post_snapshot(staging) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
