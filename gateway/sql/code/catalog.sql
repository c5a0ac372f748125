-- The catalog that the Worker plans with: what an answer from each exposed relation and function depends on.

-- json is text that is put together. A jsonb would be taken apart again by the one around it.
create or replace function postern.joined(one json, other json)
returns json
language sql immutable
return (left(one::text, -1) || ',' || substr(other::text, 2))::json;
comment on function postern.joined(json, json) is 'An object with the members of both, neither of which is empty.';

-- pre_request: PostgREST's db-pre-request, where its configuration alone says so.
-- request_path: the search path of the call itself. PostgREST sets the schema of the request and then db-extra-search-path.
create or replace function postern.catalog(
  schemas text[], pre_request text default null, request_path text default current_setting('search_path')
)
returns json
-- plpgsql, because it keeps the plan.
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- JIT takes seconds to compile what runs in a fraction of one, and planning takes as long as running does.
set jit = off
set plan_cache_mode = force_generic_plan
-- With more, each recursive query zeroes a larger hash table than it needs, because PostgreSQL expects far more rows.
set work_mem = '4MB'
-- A merge join sorts what it joins, which takes longer here than a hash; and nothing here is read often enough that a copy helps.
set enable_mergejoin = off
set enable_material = off
-- Without it, PostgreSQL prints names of claims with doubled backslashes.
set standard_conforming_strings = on
as $$
declare
  relations constant oid[] := array(
    select class.oid
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
    where schema.nspname = any (schemas)
      and class.relkind in ('r', 'p', 'v', 'm', 'f')
  );
  functions constant oid[] := array(
    select proc.oid
    from pg_catalog.pg_proc as proc
    join pg_catalog.pg_namespace as schema on schema.oid = proc.pronamespace
    where schema.nspname = any (schemas)
      and proc.prokind = 'f'
      and proc.prorettype not in ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)
  );
  pre_request_functions oid[];
  missing_pre_request json;
  dependences postern.answer_dependence[];
  found_relations json;
  found_functions json;
  foreign_keys json;
begin
  -- Many statements, and not one: a statement uses the memory again that the one before it was planned and run in.

  -- PostgREST calls the function before each request. It is found in the settings of roles and of the database, and among the
  -- statements that PostgREST has prepared in this session. Every function of the name counts.
  with pre_request_name (schema, name) as (
    select case when qualified.name like '%.%' then split_part(qualified.name, '.', 1) end, regexp_replace(qualified.name, '^[^.]*[.]', '')
    from (
      select pre_request
      union
      select substr(setting, length('pgrst.db_pre_request=') + 1)
      from pg_catalog.pg_db_role_setting
      cross join unnest(setconfig) as setting
      where setting like 'pgrst.db\_pre\_request=%'
        and setdatabase in (0, (select pg_database.oid from pg_catalog.pg_database where datname = current_database()))
    ) as qualified (name)
    where qualified.name <> ''
    union
    select case when cardinality(named.parts) = 2 then named.parts[1] end, named.parts[cardinality(named.parts)]
    from pg_catalog.pg_prepared_statements
    cross join regexp_match(statement, '^select ((?:"(?:[^"]|"")+"[.])?"(?:[^"]|"")+")\(\)$') as called (parts)
    cross join parse_ident(called.parts[1]) as named (parts)
    where called.parts is not null
  )
  select
    coalesce(array_agg(proc.oid) filter (where proc.oid is not null), '{}'),
    json_agg(format('the pre-request function %s does not exist', named.name)) filter (where proc.oid is null)
  into pre_request_functions, missing_pre_request
  from pre_request_name as named
  left join (
    select pg_proc.oid, pg_proc.proname, pg_namespace.nspname
    from pg_catalog.pg_proc
    join pg_catalog.pg_namespace on pg_namespace.oid = pg_proc.pronamespace
  ) as proc on proc.proname = named.name and proc.nspname = coalesce(named.schema, proc.nspname);

  dependences := array(
    select one from postern.answer_dependences(relations, functions, pre_request_functions, schemas, request_path) as one
  );

  with tagged as materialized (
    select relation_tags.relation, relation_tags.schema, relation_tags.name, relation_tags.tag from postern.relation_tags
  )
  select coalesce(json_agg(
    json_build_object(
      'name', key.conname,
      'from', json_build_object('schema', from_table.schema, 'name', from_table.name, 'tag', from_table.tag, 'columns', (
        select json_agg((select attname from pg_catalog.pg_attribute where attrelid = key.conrelid and attnum = part.attnum) order by part.position)
        from unnest(key.conkey) with ordinality as part (attnum, position)
      )),
      'to', json_build_object('schema', to_table.schema, 'name', to_table.name, 'tag', to_table.tag, 'columns', (
        select json_agg((select attname from pg_catalog.pg_attribute where attrelid = key.confrelid and attnum = part.attnum) order by part.position)
        from unnest(key.confkey) with ordinality as part (attnum, position)
      )),
      'isOneToOne', exists (
        select
        from pg_catalog.pg_index as index
        where index.indrelid = key.conrelid
          and index.indisunique and index.indisvalid and index.indpred is null and index.indexprs is null
          and (index.indkey::int2[])[0:index.indnkeyatts - 1] <@ key.conkey
      )
    )
    order by from_table.schema, from_table.name, key.conname
  ), '[]')
  into foreign_keys
  from pg_catalog.pg_constraint as key
  join tagged as from_table on from_table.relation = key.conrelid
  join tagged as to_table on to_table.relation = key.confrelid
  where key.contype = 'f' and key.conparentid = 0;

  with computed (type, functions) as (
    select proargtypes[0], json_object_agg(proname, pg_proc.oid::regprocedure)
    from pg_catalog.pg_proc
    where pg_proc.oid = any (functions) and pronargs = 1
    group by proargtypes[0]
  ),
  -- Relations with a column whose type hides a function that reading calls.
  with_calls (relation) as materialized (
    select attribute.attrelid
    from pg_catalog.pg_attribute as attribute
    join postern.type_functions() as unnamed on unnamed.type = attribute.atttypid
    where attribute.attnum > 0
  )
  select coalesce(json_agg(
    postern.joined(json_build_object(
      'schema', schema.nspname,
      'name', relation.relname,
      'kind', case relation.relkind
        when 'r' then 'table' when 'p' then 'table' when 'v' then 'view' when 'm' then 'materialized view' else 'foreign table'
      end,
      'tag', tagged.tag,
      'rowKey', case
        when relation.relkind in ('r', 'p')
          and not coalesce(dependence.reads_itself, false)
          -- A function that reading calls may read other rows of the table.
          and relation.oid not in (select with_calls.relation from with_calls)
          then to_json(keys.columns)
      end,
      'columns', (
        select coalesce(json_agg(
          json_build_object(
            'name', attribute.attname,
            'type', format_type(attribute.atttypid, null)
          )
          order by attribute.attnum
        ), '[]')
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid = relation.oid and attribute.attnum > 0 and not attribute.attisdropped
      ),
      'primaryKey', (
        select coalesce(json_agg(attribute.attname order by key.position), '[]')
        from pg_catalog.pg_index as index
        cross join unnest(index.indkey::int2[]) with ordinality as key (attnum, position)
        join pg_catalog.pg_attribute as attribute on attribute.attrelid = index.indrelid and attribute.attnum = key.attnum
        where index.indrelid = relation.oid
          and index.indisprimary and index.indisvalid
          and key.position <= index.indnkeyatts
      ),
      'computed', coalesce(computed.functions, '{}')
    ), dependence.dependence)
    order by schema.nspname, relation.relname
  ), '[]')
  into found_relations
  from unnest(dependences) as dependence
  join pg_catalog.pg_class as relation on relation.oid = dependence.root
  join pg_catalog.pg_namespace as schema on schema.oid = relation.relnamespace
  left join postern.relation_tags as tagged on tagged.relation = relation.oid
  left join postern.row_keys as keys on keys.root = tagged.root
  left join computed on computed.type = relation.reltype and relation.reltype <> 0
  where dependence.is_relation;

  select coalesce(json_agg(
    postern.joined(json_build_object(
      'schema', schema.nspname,
      'name', function.proname,
      'signature', function.oid::regprocedure,
      'arguments', (
        select coalesce(json_agg(
          json_build_object(
            'name', coalesce(function.proargnames[argument.place], ''),
            'type', format_type(argument.type, null),
            'hasDefault', argument.position > function.pronargs - function.pronargdefaults
          )
          order by argument.position
        ), '[]')
        from (
          -- Names are those of all parameters. One that is only returned may stand before an argument.
          select type, place, row_number() over (order by place) as position
          from unnest(coalesce(function.proallargtypes, function.proargtypes::oid[])) with ordinality as parameter (type, place)
          where coalesce(function.proargmodes[place], 'i') in ('i', 'b', 'v')
        ) as argument
      ),
      'isVariadic', function.provariadic <> 0,
      'returns', format_type(function.prorettype, null),
      'returnsRelation', (
        select postern.quoted(class_schema.nspname::text) || '.' || postern.quoted(class.relname::text)
        from pg_catalog.pg_type as type
        join pg_catalog.pg_class as class on class.oid = type.typrelid
        join pg_catalog.pg_namespace as class_schema on class_schema.oid = class.relnamespace
        where type.oid = function.prorettype and class.relkind <> 'c'
      ),
      'returnsSet', function.proretset,
      -- Marked volatile may mean that nothing was said. No function that is declared is volatile.
      'volatility', case
        when function.provolatile = 'i' then 'immutable'
        when function.provolatile = 's' or dependence.is_cacheable then 'stable'
        else 'volatile'
      end
    ), dependence.dependence)
    order by schema.nspname, function.proname, function.oid::regprocedure::text
  ), '[]')
  into found_functions
  from unnest(dependences) as dependence
  join pg_catalog.pg_proc as function on function.oid = dependence.root
  join pg_catalog.pg_namespace as schema on schema.oid = function.pronamespace
  where not dependence.is_relation;

  return json_build_object(
    'contract', postern.contract(),
    -- what every answer depends on, because every request calls it
    'preRequest', case
      when missing_pre_request is not null then json_build_object(
        'reads', '[]'::json,
        'claims', '[]'::json,
        'headers', '[]'::json,
        'cookies', '[]'::json,
        'readsClock', false,
        'reasons', missing_pre_request,
        'maxStalenessSeconds', null
      )
      else (select dependence.dependence from unnest(dependences) as dependence where not dependence.is_relation and dependence.root = 0)
    end,
    -- PostgREST answers with what a function or an aggregate returns where a domain has the name of a media type.
    'mediaTypes', (
      select coalesce(json_agg(distinct lower(type.typname::text) collate "C"), '[]')
      from pg_catalog.pg_type as type
      where type.typtype = 'd' and type.typname like '%/%'
    ),
    -- Types are looked up by name: in pg_catalog first, unless the search path names pg_catalog behind another schema.
    'hasUserDefinedCasts', 'pg_catalog' = any (postern.parse_search_path(request_path)) or exists (
      select from pg_catalog.pg_cast where oid >= 16384 and castsource < 16384 and casttarget < 16384
    ),
    -- An exact match of the argument's type comes before count("any"), and before what is nearer on the search path.
    'hasUserDefinedAggregates', exists (
      select
      from pg_catalog.pg_proc
      where oid >= 16384
        and proname in ('avg', 'count', 'max', 'min', 'sum')
        and pronargs <= 1
        and (proname = 'count' or pronargs = 0 or proargtypes[0] < 16384)
    ),
    'relations', found_relations,
    'functions', found_functions,
    'foreignKeys', foreign_keys
  );
end
$$;
comment on function postern.catalog(text[], text, text) is 'What answers from the relations and functions of these schemas depend on, and the reasons why some are not cacheable.';
