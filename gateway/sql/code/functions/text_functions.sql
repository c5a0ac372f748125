-- Functions in SQL and PL/pgSQL with a body that is text, and what the meaning of the body depends on: the objects of its names.

-- The catalog and the analysis have a setting of their own; this asks what a call is run with.
create or replace function postern.has_standard_strings()
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
  select not exists (
    select from pg_catalog.pg_settings where name = 'standard_conforming_strings' and reset_val <> 'on'
    union all
    select
    from (
      select setconfig from pg_catalog.pg_db_role_setting
      union all
      select proconfig from pg_catalog.pg_proc where pg_proc.oid >= 16384 and pronamespace <> 'postern'::regnamespace
    ) as configured (settings)
    cross join unnest(settings) as setting
    where setting ~* '^standard_conforming_strings=(?!on$)'
  );
end;
comment on function postern.has_standard_strings() is
'Whether a backslash in a text stands for itself wherever a function is called (standard_conforming_strings).';

create or replace view postern.text_functions as
with own_path as materialized (
  select alike.proconfig, postern.parse_search_path(substr(alike.setting, length('search_path=') + 1)) as path
  from (
    select distinct pg_proc.proconfig, setting
    from pg_catalog.pg_proc
    cross join unnest(pg_proc.proconfig) as setting
    where pg_proc.oid >= 16384 and setting like 'search\_path=%'
  ) as alike
),
text_function as materialized (
  select
    proc.oid as function,
    own_path.path as own_path,
    proc.definition,
    position('\' in proc.prosrc) > 0 as has_backslash,
    case
      when analysis.definition = proc.definition then analysis.words
      -- A name with other characters counts as one that every body contains: the empty word.
      else array(
        select ''
        union
        select left(found[1], 63)
        from regexp_matches(
          lower(concat_ws(' ', proc.prosrc, proc.types) collate "C"), '[a-z_][a-z0-9_$]*', 'g'
        ) as found
      )
    end as words
  from (
    select
      pg_proc.oid,
      pg_proc.proconfig,
      pg_proc.prosrc,
      (
        select string_agg(format_type(type, null), ' ')
        from unnest(pg_proc.prorettype || coalesce(pg_proc.proallargtypes, pg_proc.proargtypes::oid[])) as type
      ) as types,
      md5(concat_ws(
        '|', proname, prolang, prosrc, array_to_string(proconfig, '|'), proargtypes, proallargtypes, proargmodes, proargnames, prorettype, proretset, provariadic
      )) as definition
    from pg_catalog.pg_proc
    where pg_proc.prolang in (select pg_language.oid from pg_catalog.pg_language where lanname in ('sql', 'plpgsql'))
      and pg_proc.prosqlbody is null
      and pg_proc.prorettype not in ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)
      and pg_proc.prokind = 'f'
      and pg_proc.oid >= 16384
      and pg_proc.pronamespace not in ('postern'::regnamespace, 'pg_catalog'::regnamespace)
  ) as proc
  left join postern.function_analyses as analysis on analysis.function = proc.oid
  left join own_path on own_path.proconfig = proc.proconfig
),
mentioned as materialized (
  select text_function.function, unnest(text_function.words) as word from text_function
),
named (word, schema, part, type_of_rows) as materialized (
  select
    case when object.name ~ '^[a-z_][a-z0-9_$]*$' then object.name else '' end,
    schema.nspname::text,
    concat_ws(' ', schema.nspname, object.part),
    object.type_of_rows
  from (
    select
      lower(proname::text collate "C"), pronamespace,
      concat_ws(
        ' ', 'function', oid, proargtypes, proallargtypes, proargnames, proargmodes, prorettype, proretset, provariadic, pronargdefaults, prokind
      ),
      prorettype
    from pg_catalog.pg_proc where oid >= 16384
    union all
    select lower(relname::text collate "C"), relnamespace, concat_ws(' ', 'relation', oid, relkind), reltype
    from pg_catalog.pg_class where oid >= 16384 and relkind in ('r', 'p', 'v', 'm', 'f', 'c', 'S') and relpersistence <> 't'
    union all
    select lower(typname::text collate "C"), typnamespace, concat_ws(' ', 'type', oid, typtype, typbasetype, typelem), null
    from pg_catalog.pg_type where oid >= 16384 and typtype <> 'c' and typelem = 0
    union all
    select lower(nspname::text collate "C"), oid, 'schema', null
    from pg_catalog.pg_namespace where oid >= 16384 or nspname = 'public'
  ) as object (name, namespace, part, type_of_rows)
  join pg_catalog.pg_namespace as schema on schema.oid = object.namespace
  where object.namespace <> 'postern'::regnamespace
    and schema.nspname !~ '^pg_(toast|temp)'
),
-- Operators stand behind keywords, too, and casts behind no text at all.
unnamed as materialized (
  select concat_ws(
    ' ',
    -- Of the analysis: with another one, all functions are analysed again.
    'version 2',
    (
      select md5(string_agg(concat_ws(' ', oid, oprname, oprnamespace, oprleft, oprright, oprresult, oprcode), ',' order by oid))
      from pg_catalog.pg_operator where oid >= 16384
    ),
    (
      select md5(string_agg(concat_ws(' ', oid, castsource, casttarget, castfunc, castcontext, castmethod), ',' order by oid))
      from pg_catalog.pg_cast where oid >= 16384
    ),
    (
      select md5(string_agg(concat_ws(' ', oid, opcmethod, opcintype, opcdefault, opcfamily), ',' order by oid))
      from pg_catalog.pg_opclass where oid >= 16384
    )
  ) as version
),
operator_schemas (schemas) as materialized (
  select array(
    select distinct nspname::text
    from pg_catalog.pg_operator
    join pg_catalog.pg_namespace on pg_namespace.oid = oprnamespace
    where pg_operator.oid >= 16384 and nspname not in ('pg_catalog', 'postern')
  )
),
met as materialized (
  select
    mentioned.function,
    array_agg(distinct named.schema) filter (where named.part not like '% schema') as schemas,
    string_agg(concat_ws(' ', named.part, columns.columns), ',' order by named.part) as parts
  from mentioned
  join named on named.word = mentioned.word
  left join lateral (
    select string_agg(concat_ws(' ', attnum, attname, atttypid), ' ' order by attnum)
    from pg_catalog.pg_type as type
    join pg_catalog.pg_attribute as attribute on attribute.attrelid = type.typrelid
    where type.oid = named.type_of_rows
      and type.typrelid <> 0
      and attribute.attnum > 0
      and not attribute.attisdropped
  ) as columns (columns) on named.type_of_rows is not null
  group by mentioned.function
),
path as materialized (
  select search_paths.path from postern.search_paths
)
select
  text_function.function,
  text_function.own_path,
  text_function.definition,
  text_function.words,
  md5(concat_ws(
    ' ', met.parts, unnamed.version, case when text_function.has_backslash then (select postern.has_standard_strings()) end
  )) as environment,
  reachable.schemas,
  case
    when text_function.own_path is not null then array[postern.restricted_path(text_function.own_path, reachable.schemas)]
    else array(select distinct postern.restricted_path(path.path, reachable.schemas) from path order by 1)
  end as paths
from text_function
left join met on met.function = text_function.function
cross join unnamed
cross join operator_schemas
cross join lateral (select coalesce(met.schemas, '{}') || operator_schemas.schemas) as reachable (schemas);
comment on view postern.text_functions is
'Functions in SQL and PL/pgSQL with a body that is text. environment differs when a name in the body may mean another object. paths: the search paths to analyse it under.';

-- PostgreSQL inlines it.
create or replace function postern.is_current(analysis postern.function_analyses, definition text, environment text, paths text[])
returns boolean
language sql immutable
return (analysis).definition = is_current.definition
  and (analysis).environment = is_current.environment
  and is_current.paths <@ (analysis).paths;
comment on function postern.is_current(postern.function_analyses, text, text, text[]) is
'Whether an analysis is of this definition and environment, and of all these search paths.';

-- plpgsql, because it keeps the plan, which takes longer to make than to run.
create or replace function postern.known_analyses()
returns table (function oid, own_path text[], schemas text[], paths text[], is_understood boolean, reason text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
  return query
    select
      text_function.function,
      text_function.own_path,
      text_function.schemas,
      analysis.paths,
      analysis.tree is not null,
      case
        when analysis.function is null then 'it, or what a name in it means, has changed since functions were analysed: select postern.analyze_functions()'
        else analysis.reason
      end
    from postern.text_functions as text_function
    left join postern.function_analyses as analysis
      on analysis.function = text_function.function
      and postern.is_current(analysis, text_function.definition, text_function.environment, text_function.paths);
end
$$;
comment on function postern.known_analyses() is
'Functions in SQL and PL/pgSQL with a body that is text. is_understood: postern.function_analyses has the tree of what the body means now. Otherwise the reason tells why that is not known. paths is null where there is no analysis.';

create or replace view postern.analyses as
select known.function, known.own_path, known.schemas, known.paths, known.is_understood, known.reason
from postern.known_analyses() as known;
comment on view postern.analyses is
'What postern.known_analyses() returns, as a type: what needs it takes an array, because several functions of one call need it.';

create or replace view postern.untranslated_functions as
select
  text_function.function,
  text_function.definition,
  pg_get_functiondef(text_function.function) as source,
  cardinality(coalesce(proc.proallargtypes, proc.proargtypes::oid[])) as arguments
from postern.text_functions as text_function
join pg_catalog.pg_proc as proc on proc.oid = text_function.function
join pg_catalog.pg_language as language on language.oid = proc.prolang and language.lanname = 'plpgsql'
left join postern.plpgsql_translations as translation
  on translation.function = text_function.function
  and translation.definition = text_function.definition
where translation.function is null;
comment on view postern.untranslated_functions is 'Functions in PL/pgSQL for postern.translate. arguments: how many it has, with those for output.';

create or replace function postern.translate(function oid, definition text, variables text, statements text[], reason text)
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
  insert into postern.plpgsql_translations (function, definition, variables, statements, reason)
  values (translate.function, translate.definition, translate.variables, translate.statements, translate.reason)
  on conflict on constraint plpgsql_translations_pkey do update
  set definition = excluded.definition, variables = excluded.variables, statements = excluded.statements, reason = excluded.reason;
  delete from postern.function_analyses as analysis where analysis.function = translate.function;
end;
comment on function postern.translate(oid, text, text, text[], text) is
'Keeps the statements of a function in PL/pgSQL for the next analysis. Each has to be one statement.';

-- request_path begins with the schema of the request.
create or replace function postern.missing_paths(analyses postern.analyses[], schemas text[], request_path text)
returns table (function oid, reason text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with extra (path) as materialized (
    select (postern.parse_search_path(request_path))[2:]
  ),
  called (path, remedy) as materialized (
    select
      schema || array_remove(extra.path, schema),
      format('select postern.analyze_functions(%L, %L)', schemas, extra.path)
    from unnest(schemas) as schema
    cross join extra
    union all
    select role_paths.path, 'select postern.analyze_functions()'
    from postern.role_search_paths as role_paths
    join pg_catalog.pg_auth_members on pg_auth_members.roleid = role_paths.role
    join pg_catalog.pg_roles on pg_roles.oid = pg_auth_members.member
    where rolname = session_user
  )
  select distinct on (analysis.function)
    analysis.function,
    format(
      '%s was not analysed for the search_path %s: %s',
      analysis.function::regprocedure, (select string_agg(quote_ident(name), ', ') from unnest(called.path) as name), called.remedy
    )
  from unnest(analyses) as analysis
  cross join called
  where analysis.own_path is null
    and analysis.is_understood
    and postern.restricted_path(called.path, analysis.schemas) <> all (analysis.paths)
$$;
comment on function postern.missing_paths(postern.analyses[], text[], text) is 'The analysed functions that requests may call under a search path that they were not analysed for.';
