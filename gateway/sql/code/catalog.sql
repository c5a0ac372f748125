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
-- Without it, PostgreSQL prints names of claims with doubled backslashes.
set standard_conforming_strings = on
as $$
declare
  analyses constant postern.analyses[] := array(select known from postern.analyses as known);
  expressions constant postern.expressions[] := array(select row(found.*)::postern.expressions from postern.find_expressions(analyses) as found);
  timed_types constant oid[] := postern.timed_types();
  zoned_types constant oid[] := postern.zoned_types();
  claim_functions oid[];
  claim_sources text[];
  found json;
begin
  select coalesce(array_agg(source.function), '{}'), coalesce(array_agg(source.source), '{}')
  into claim_functions, claim_sources
  from postern.claim_functions(analyses) as source;

  with recursive
  -- PostgREST calls the function before each request. It is found in the settings of roles and of the database, and among the
  -- statements that PostgREST has prepared in this session. Every function of the name counts.
  pre_request_name (schema, name) as (
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
  ),
  pre_request_function (schema, name, oid) as (
    select named.schema, named.name, proc.oid
    from pre_request_name as named
    left join (
      select pg_proc.oid, pg_proc.proname, pg_namespace.nspname
      from pg_catalog.pg_proc
      join pg_catalog.pg_namespace on pg_namespace.oid = pg_proc.pronamespace
    ) as proc on proc.proname = named.name and proc.nspname = coalesce(named.schema, proc.nspname)
  ),
  -- The tag of each table and materialized view is that of its root.
  tagged (relation, schema, name, root, tag) as materialized (
    select class.oid, schema.nspname, class.relname, root.oid, postern.quoted(root_schema.nspname::text) || '.' || postern.quoted(root.relname::text)
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
    left join postern.inherited_roots() on inherited_roots.relation = class.oid
    join pg_catalog.pg_class as root on root.oid = coalesce(inherited_roots.roots[1], class.oid)
    join pg_catalog.pg_namespace as root_schema on root_schema.oid = root.relnamespace
    where class.relkind in ('r', 'p', 'm') and class.oid >= 16384
  ),
  exposed_relation as materialized (
    select class.*, schema.nspname, tagged.root, tagged.tag
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
    left join tagged on tagged.relation = class.oid
    where schema.nspname = any (schemas)
      and class.relkind in ('r', 'p', 'v', 'm', 'f')
  ),
  exposed_function as (
    select proc.*, schema.nspname
    from pg_catalog.pg_proc as proc
    join pg_catalog.pg_namespace as schema on schema.oid = proc.pronamespace
    where schema.nspname = any (schemas)
      and proc.prokind = 'f'
      and proc.prorettype not in ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)
  ),
  computed (type, functions) as (
    select exposed_function.proargtypes[0], json_object_agg(exposed_function.proname, exposed_function.oid::regprocedure)
    from exposed_function
    where exposed_function.pronargs = 1
    group by exposed_function.proargtypes[0]
  ),
  -- Relations with a column whose type hides a function that reading calls.
  with_calls (relation) as materialized (
    select attribute.attrelid
    from pg_catalog.pg_attribute as attribute
    join postern.type_functions() as unnamed on unnamed.type = attribute.atttypid
    where attribute.attnum > 0
  ),
  -- A policy counts for every role: memberships change, and a connection's prepared statements keep the policies that they
  -- were planned by. A claim that a role's policies do not read splits its callers needlessly, and gives none another's answer.
  reach (is_relation, root, kind, node, is_root) as (
    select true, exposed_relation.oid, 'relation', exposed_relation.oid, true
    from exposed_relation
    union
    select false, exposed_function.oid, 'function', exposed_function.oid, true
    from exposed_function
    union
    -- No function has the oid 0.
    select false, 0::oid, 'function', pre_request_function.oid, true
    from pre_request_function
    where pre_request_function.oid is not null
    union
    select reach.is_relation, reach.root, dependency.to_kind, dependency.to_node, false
    from reach
    join postern.dependencies(expressions, claim_functions) as dependency on dependency.kind = reach.kind and dependency.node = reach.node
  ),
  reached as materialized (
    select distinct kind, node from reach
  ),
  expression as materialized (
    select one.kind, one.nodes, one.is_parsed_in_calls, one.is_immutable
    from unnest(expressions) as one
    -- PostgreSQL looks up what stands before "in". A join would compare each expression with each that was reached.
    where (select bool_or((one.kind, member.node) in (select reached.kind, reached.node from reached)) from unnest(one.nodes) as member (node))
  ),
  -- This is what costs most.
  judged as materialized (
    select
      alike.kind,
      alike.nodes,
      setting.claims,
      setting.headers,
      setting.cookies,
      postern.reads_clock(parsed.tree, parsed.expression, timed_types, alike.is_parsed_in_calls) as reads_clock,
      array_remove(postern.reasons_in(parsed.tree) || array[
        setting.reason,
        -- PostgreSQL keeps its first result in a prepared statement's plan.
        case when alike.is_immutable
          and (parsed.tree ~ ':relid [1-9]' or setting.claims || setting.headers || setting.cookies <> '{}')
          then 'is marked immutable, and reads tables or settings' end
      ], null) as reasons
    from expression as alike
    -- Expressions that have the same tree differ in the names of columns only, so one of them is printed for all.
    cross join lateral (
      select
        postern.tree_of(alike.kind, alike.nodes[1], alike.is_parsed_in_calls) as tree,
        postern.printed(alike.kind, alike.nodes[1]) as expression
      offset 0
    ) as parsed
    cross join lateral postern.setting_reads(parsed.tree, parsed.expression, claim_sources, claim_functions) as setting
  ),
  fact (kind, node, tag, max_staleness, reads_clock, claims, headers, cookies, reasons) as materialized (
    select
      'relation', relation.node, relation.tag, relation.max_staleness, false,
      '{}'::text[], '{}'::text[], '{}'::text[], array_remove(array[relation.reason], null)
    from postern.relation_facts as relation
    where relation.node = any (array(select reached.node from reached where reached.kind = 'relation'))
    union all
    select
      'function', function.node, null, null, function.reads_clock,
      function.claims, '{}', '{}', array_remove(array[coalesce(declared.reason, function.reason)], null)
    from postern.function_facts(analyses, timed_types, zoned_types) as function
    -- Few databases have functions in another language. What PL/pgSQL reads, `postern analyze` finds out.
    left join lateral (
      select replace(function.reason, query.text, 'if it reads only what this names, run, with names in place of *: ' || statement.text) as reason
      from pg_catalog.pg_proc as proc
      join pg_catalog.pg_language as language on language.oid = proc.prolang and language.lanname not in ('internal', 'c', 'sql', 'plpgsql')
      cross join lateral (
        select format('if it only reads, run what select postern.declaration_of(%L::regprocedure) gives', proc.oid::regprocedure) as text
      ) as query
      cross join lateral postern.named_in_body(proc.oid, expressions, claim_functions, claim_sources) as named
      cross join lateral (select postern.declaration(proc.oid, named.reads, named.claims) as text offset 0) as statement
      where proc.oid = function.node
        and position(query.text in function.reason) > 0
        -- The reason is one header of an answer.
        and length(statement.text) <= 1000
    ) as declared on true
    where function.node = any (array(select reached.node from reached where reached.kind = 'function'))
    union all
    select 'function', missing.function, null, null, false, '{}', '{}', '{}', array[missing.reason]
    from postern.missing_paths(analyses, schemas, request_path) as missing
    union all
    select
      judged.kind,
      one.node,
      null,
      null,
      judged.reads_clock,
      judged.claims,
      judged.headers,
      judged.cookies,
      array(
        select case judged.kind
          when 'relation' then one.node::regclass::text
          when 'function' then one.node::regprocedure::text
          else (select format('policy %I on %s', polname, polrelid::regclass) from pg_catalog.pg_policy where pg_policy.oid = one.node)
        end || ' ' || reason
        from unnest(judged.reasons) as reason
      )
    from judged
    cross join unnest(judged.nodes) as one (node)
  ),
  dependence as (
    select
      reach.is_relation,
      reach.root,
      json_build_object(
        'reads', coalesce(json_agg(distinct fact.tag) filter (where fact.tag is not null), '[]'),
        -- paths of claims: see claims.sql
        'claims', coalesce(json_agg(distinct claim.claim) filter (where claim.claim is not null), '[]'),
        'headers', coalesce(json_agg(distinct header.header) filter (where header.header is not null), '[]'),
        'cookies', coalesce(json_agg(distinct cookie.cookie) filter (where cookie.cookie is not null), '[]'),
        'readsClock', coalesce(bool_or(fact.reads_clock), false),
        'reasons', coalesce(json_agg(distinct reason.reason) filter (where reason.reason is not null), '[]'),
        'maxStalenessSeconds', extract(epoch from min(fact.max_staleness))
      ) as dependence,
      count(reason.reason) = 0 as is_cacheable,
      -- the tags of what is read besides the root itself
      array_agg(distinct fact.tag) filter (where not reach.is_root) as others
    from reach
    left join fact on fact.kind = reach.kind and fact.node = reach.node
    left join lateral unnest(fact.claims) as claim (claim) on true
    left join lateral unnest(fact.headers) as header (header) on true
    left join lateral unnest(fact.cookies) as cookie (cookie) on true
    left join lateral unnest(fact.reasons) as reason (reason) on true
    group by reach.is_relation, reach.root
  )
  select json_build_object(
    'contract', postern.contract(),
    -- what every answer depends on, because every request calls it
    'preRequest', case
      when exists (select from pre_request_function where oid is null) then json_build_object(
        'reads', '[]'::json,
        'claims', '[]'::json,
        'headers', '[]'::json,
        'cookies', '[]'::json,
        'readsClock', false,
        'reasons', (select json_agg(format('the pre-request function %s does not exist', name)) from pre_request_function where oid is null),
        'maxStalenessSeconds', null
      )
      else (select dependence.dependence from dependence where not dependence.is_relation and dependence.root = 0)
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
    'relations', (
      select coalesce(json_agg(
        postern.joined(json_build_object(
          'schema', relation.nspname,
          'name', relation.relname,
          'kind', case relation.relkind
            when 'r' then 'table' when 'p' then 'table' when 'v' then 'view' when 'm' then 'materialized view' else 'foreign table'
          end,
          'tag', relation.tag,
          'rowKey', case
            when relation.relkind in ('r', 'p')
              -- A policy may read other rows of the table.
              and not coalesce(relation.tag = any (dependence.others), false)
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
        order by relation.nspname, relation.relname
      ), '[]')
      from exposed_relation as relation
      join dependence on dependence.is_relation and dependence.root = relation.oid
      left join postern.row_keys as keys on keys.root = relation.root
      left join computed on computed.type = relation.reltype and relation.reltype <> 0
    ),
    'functions', (
      select coalesce(json_agg(
        postern.joined(json_build_object(
          'schema', function.nspname,
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
            select postern.quoted(schema.nspname::text) || '.' || postern.quoted(class.relname::text)
            from pg_catalog.pg_type as type
            join pg_catalog.pg_class as class on class.oid = type.typrelid
            join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
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
        order by function.nspname, function.proname, function.oid::regprocedure::text
      ), '[]')
      from exposed_function as function
      join dependence on not dependence.is_relation and dependence.root = function.oid
    ),
    'foreignKeys', (
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
      from pg_catalog.pg_constraint as key
      join tagged as from_table on from_table.relation = key.conrelid
      join tagged as to_table on to_table.relation = key.confrelid
      where key.contype = 'f' and key.conparentid = 0
    )
  )
  into found;
  return found;
end
$$;
comment on function postern.catalog(text[], text, text) is 'What answers from the relations and functions of these schemas depend on, and the reasons why some are not cacheable.';
