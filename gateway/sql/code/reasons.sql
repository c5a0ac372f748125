-- Why an answer from a relation or function is not cacheable, and whether it depends on the clock. What is not known to read only
-- tables, claims and the clock is a reason.

-- Functions of PostgreSQL that read the clock and nothing else that changes: now, transaction_timestamp, statement_timestamp,
-- clock_timestamp, timeofday, age, and those that take the offset of a time zone from today.
create or replace function postern.clock_functions()
returns oid[]
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(pg_proc.oid)
  from pg_catalog.pg_proc
  where pronamespace = 'pg_catalog'::regnamespace
    and pg_proc.oid < 16384
    and (
      proname in ('now', 'transaction_timestamp', 'statement_timestamp', 'clock_timestamp', 'timeofday')
      or proname = 'age' and proargtypes[0] = 'pg_catalog.timestamptz'::regtype and pronargs = 1
      or proname = 'timetz' and proargtypes[0] = 'pg_catalog.time'::regtype
      or proname = 'timezone' and 'pg_catalog.timetz'::regtype = any (proargtypes)
      or proname ~ '^jsonb_path_\w+_tz$'
    )
$$;
comment on function postern.clock_functions() is 'Functions of PostgreSQL whose results follow from their arguments and the clock.';

-- tree: what postern.tree_of(kind, node, …) returns. timed_types: the types for which the text 'now' reads the clock.
create or replace function postern.reads_clock(kind text, node oid, tree text, timed_types oid[], is_parsed_in_calls boolean)
returns boolean
-- plpgsql: before PostgreSQL 18, a function in SQL is planned in each query that calls it.
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- position() reads a tree five times as fast as a regular expression, and trees are long.
  return position('{SQLVALUEFUNCTION ' in tree) > 0 and tree ~ '{SQLVALUEFUNCTION :op [0-8] '
    -- makes a date or time of a text in JSON
    or position(':path_spec {' in tree) > 0 and tree ~ ':path_spec {(?!CONST )'
    or position('{JSONEXPR ' in tree) > 0 and postern.printed(kind, node) ~ '\.(?:date|time)\w*\('
    -- makes a date or time of a text
    or (position('{COERCEVIAIO ' in tree) > 0 or position('{TABLEFUNC ' in tree) > 0 or position('{JSONEXPR ' in tree) > 0) and exists (
      select
      from regexp_matches(tree, ':(?:resulttype|typid|coltypes) (?:\(o )?([1-9][\d ]*)', 'g') as typed (parts)
      cross join regexp_split_to_table(rtrim(typed.parts[1]), ' ') as type
      where type::oid = any (timed_types)
    )
    -- 'now'::timestamptz is a constant for one call only where the call parses it.
    or is_parsed_in_calls and exists (
      select
      from string_to_table(tree, '{CONST :consttype ') as constant
      where case
        when constant ~ '^\d+ (?::\w+ \S+ ){4}:constisnull false' then split_part(constant, ' ', 1)::oid = any (timed_types)
      end
    );
end
$$;
comment on function postern.reads_clock(text, oid, text, oid[], boolean) is
'Whether the value of an expression may depend on the clock. The functions that it calls are judged apart.';

create or replace function postern.reasons_in(tree text)
returns text[]
-- plpgsql, as reads_clock.
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return array_remove(array[
    case when position('{QUERY :commandType ' in replace(tree, '{QUERY :commandType 1 ', '')) > 0 then 'writes' end,
    case when position('{ROWMARKCLAUSE ' in tree) > 0 then 'locks rows' end,
    case
      when position('{SQLVALUEFUNCTION :op 12 ' in tree) > 0 or position('{SQLVALUEFUNCTION :op 14 ' in tree) > 0
        then 'reads session_user or current_schema'
    end,
    case when position(':tablesample {' in tree) > 0 then 'reads a random sample' end,
    case when position('{NEXTVALUEEXPR' in tree) > 0 then 'takes a value of a sequence' end,
    -- ctid, xmin, cmin, xmax, cmax: VACUUM FULL and row locks change them without firing a trigger.
    case when position(' :varattno -' in tree) > 0 and tree ~ '{VAR :varno \S+ :varattno -[1-5] ' then 'reads where a row is stored or which transactions touched it' end
  ], null);
end
$$;
comment on function postern.reasons_in(text) is 'Why the value of an expression does not follow from tables and claims. The functions that it calls are judged apart.';

-- Functions of pg_catalog that are STABLE only because of the time zone, of output functions or of enum labels.
create or replace function postern.is_harmless(name text)
returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
return name ~ ('^('
  || 'anytextcat|textanycat|array_to_json|array_to_string|concat|concat_ws|format|quote_literal|quote_nullable|length'
  || '|convert|convert_from|convert_to|current_database|current_user|getpgusername'
  || '|date|date_add|date_part|date_subtract|date_trunc|extract|generate_series|in_range|interval_pl_timestamptz'
  || '|make_timestamptz|overlaps|time|timestamp|timestamptz|timetz|timezone|to_char|to_date|to_number|to_timestamp'
  || '|(date|timestamp|timestamptz)_(cmp|eq|ge|gt|le|lt|ne)_(date|timestamp|timestamptz)|timestamptz_(pl|mi)_interval'
  || '|enum_first|enum_last|enum_range|money|numeric'
  || '|jsonb?_(build_array|build_object)|jsonb?_(object_)?agg(_(strict|unique|unique_strict))?|to_jsonb?|row_to_json'
  || '|json_to_tsvector|jsonb_to_tsvector|to_tsvector|to_tsquery|plainto_tsquery|phraseto_tsquery|websearch_to_tsquery|ts_headline|get_current_ts_config'
  || ')$');
comment on function postern.is_harmless(text) is 'Whether the STABLE functions of this name in pg_catalog read nothing of the clock or the session except the time zone.';

-- zoned_types: what postern.zoned_types() returns.
create or replace function postern.relation_facts(relations oid[], zoned_types oid[])
returns table (node oid, tag text, max_staleness interval, reason text)
-- plpgsql, because it keeps the plan.
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  with_zone constant oid[] := array(
    select distinct attribute.attrelid
    from unnest(zoned_types) as zoned (type)
    join pg_catalog.pg_attribute as attribute on attribute.atttypid = zoned.type and attribute.attnum > 0
  );
begin
  return query
  -- Computed once for each family: every member has the reasons of all members.
  with tracked as materialized (
    select
      tracked_relations.relation,
      tracked_relations.max_staleness,
      min(format('%s %s', fault.relation::regclass, fault.reason)) filter (where fault.reason is not null) as reason
    from postern.tracked_relations
    join postern.trigger_reasons(array(select one.relation::oid from postern.tracked_relations as one)) as fault
      on fault.root = tracked_relations.relation
    group by tracked_relations.relation
  )
  select
    class.oid as node,
    case when class.relkind in ('r', 'p', 'm') then postern.quoted(root_schema.nspname::text) || '.' || postern.quoted(root_class.relname::text) end as tag,
    tracked.max_staleness,
    case
      when class.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'postern'::regnamespace)
        then format('%s belongs to the system or to postern', class.oid::regclass)
      when class.relkind = 'f' then format('%s is a foreign table: its changes are not seen', class.oid::regclass)
      when class.relkind = 'S' then format('%s is a sequence', class.oid::regclass)
      when class.relpersistence = 't' then format('%s is temporary', class.oid::regclass)
      when class.oid = any (with_zone) then format('%s has a column that reads a text with today''s offset of the time zone', class.oid::regclass)
      when class.relkind = 'v' then null
      when class.relkind = 'm' then
        case when not postern.is_watched() then format('%s may be refreshed unseen: there are no event triggers', class.oid::regclass) end
      when class.relkind not in ('r', 'p') then format('%s is not a table', class.oid::regclass)
      when cardinality(root.roots) > 1 then format('%s inherits from several tables', class.oid::regclass)
      when tracked.relation is null then format('%s is not tracked', class.oid::regclass)
      else tracked.reason
    end as reason
  from pg_catalog.pg_class as class
  left join postern.inherited_roots() on inherited_roots.relation = class.oid
  cross join lateral (select coalesce(inherited_roots.roots, array[class.oid]) as roots) as root
  join pg_catalog.pg_class as root_class on root_class.oid = root.roots[1]
  join pg_catalog.pg_namespace as root_schema on root_schema.oid = root_class.relnamespace
  left join tracked on tracked.relation = root.roots[1]
  where class.oid = any (relations);
end
$$;
comment on function postern.relation_facts(oid[], oid[]) is 'The tag of each of these relations, and the reason why its changes may not be seen.';

-- timed_types, zoned_types: what these functions return.
create or replace function postern.function_facts(functions oid[], analyses postern.analyses[], timed_types oid[], zoned_types oid[])
returns table (node oid, claims text[], reads_clock boolean, reason text)
-- plpgsql, because it keeps the plan.
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  clock_functions constant oid[] := postern.clock_functions();
begin
  return query
  select
    proc.oid as node,
    array(select postern.escaped_key(claim) from unnest(declared.claims) as claim) as claims,
    proc.oid = any (clock_functions)
    -- An aggregate that begins with a text begins with what it means now.
    or exists (
      select
      from pg_catalog.pg_aggregate as aggregate
      where aggregate.aggfnoid = proc.oid
        and proc.oid >= 16384
        and (
          aggregate.agginitval is not null and aggregate.aggtranstype = any (timed_types)
          or aggregate.aggminitval is not null and aggregate.aggmtranstype = any (timed_types)
        )
    ) as reads_clock,
    case
      when proc.oid = any (clock_functions) then null
      -- It does nothing before a read.
      when proc.oid = 'postern.pre_request()'::regprocedure then null
      -- find_expressions leaves them out.
      when proc.pronamespace = 'postern'::regnamespace then format('%s belongs to postern', proc.oid::regprocedure)
      when exists (
        select from unnest(declared.reads) as read where not exists (select from pg_catalog.pg_class where pg_class.oid = read)
      ) then format('%s is declared to read a relation that was dropped', proc.oid::regprocedure)
      when zoned_types && proc.proargtypes::oid[]
        then format('%s has an argument that reads a text with today''s offset of the time zone', proc.oid::regprocedure)
      when declared.function is not null and declared.definition = postern.definition_of(proc.oid) then null
      when declared.function is not null and declared.definition not like 'explicit %'
        then format('%s was declared cacheable before 0.2.0: run what select postern.declaration_of(%L::regprocedure) gives', proc.oid::regprocedure, proc.oid::regprocedure)
      when declared.function is not null then format('%s has changed since it was declared cacheable', proc.oid::regprocedure)
      when schema.nspname ~ '^pg_temp_' then format('%s is temporary', proc.oid::regprocedure)
      -- Marked volatile may mean that nothing was said: the parse tree tells.
      when proc.prosqlbody is not null or text_function.is_understood then null
      when text_function.reason is not null then format(
        'what %s reads is not known: %s%s',
        proc.oid::regprocedure, text_function.reason,
        case
          when language.lanname = 'plpgsql' and position('postern.declare_cacheable(' in text_function.reason) = 0
            then format(', or run what select postern.declaration_of(%L::regprocedure) gives', proc.oid::regprocedure)
        end
      )
      when proc.provolatile = 'v' and language.lanname <> 'sql' and proc.oid < 16384 then format('%s is volatile', proc.oid::regprocedure)
      -- A user may have created functions in pg_catalog, too: their oids are not below 16384.
      when proc.pronamespace = 'pg_catalog'::regnamespace and proc.oid < 16384
        and (proc.provolatile = 'i' or postern.is_harmless(proc.proname::text))
        then null
      when proc.pronamespace = 'pg_catalog'::regnamespace and proc.oid < 16384 then format('%s may read the clock or the session', proc.oid::regprocedure)
      -- Functions in C that an extension declares immutable are trusted. An aggregate is judged by its parts.
      when language.lanname in ('internal', 'c') and proc.provolatile = 'i' then null
      else concat(
        case when proc.provolatile = 'v' then format('%s is volatile', proc.oid::regprocedure) else format('what %s reads is not known', proc.oid::regprocedure) end,
        case
          when language.lanname in ('internal', 'c')
            then ': if it only reads, run, with the names of all tables and claims that it reads in place of *: ' || postern.declaration(proc.oid, '{*}', '{*}')
          else format(': if it only reads, run what select postern.declaration_of(%L::regprocedure) gives', proc.oid::regprocedure)
        end
      )
    end as reason
  from pg_catalog.pg_proc as proc
  join pg_catalog.pg_language as language on language.oid = proc.prolang
  join pg_catalog.pg_namespace as schema on schema.oid = proc.pronamespace
  left join postern.cacheable_functions as declared on declared.function = proc.oid
  left join unnest(analyses) as text_function on text_function.function = proc.oid
  where proc.oid = any (functions);
end
$$;
comment on function postern.function_facts(oid[], postern.analyses[], oid[], oid[]) is 'The claims that each of these functions is declared to read, and the reason why its result may not follow from tables, claims and the clock.';
