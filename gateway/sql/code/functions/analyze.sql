-- Analyses functions in SQL and PL/pgSQL with a body that is text: makes a function of each statement that PostgreSQL parses at
-- creation, keeps the parse tree, and undoes that. Event triggers, `postern.track` and `postern migrate` call it. No read does.

-- variables: those of PL/pgSQL, which become arguments, because a name means the same then. Where a name is also one of a column,
-- PL/pgSQL fails.
create or replace function postern.as_parsed_function(function oid, body text, variables text)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    E'create function postern.%I(%s) returns %s language sql begin atomic\n%s\n; end',
    proname,
    concat_ws(
      ', ',
      (
        select string_agg(
          concat_ws(
            ' ',
            case
              when variables is not null then 'in'
              else case coalesce(proargmodes[argument.position], 'i') when 'i' then 'in' when 'v' then 'variadic' when 'b' then 'inout' else 'out' end
            end,
            quote_ident(nullif(proargnames[argument.position], '')),
            format_type(argument.type, null)
          ),
          ', ' order by argument.position
        )
        from unnest(coalesce(proallargtypes, proargtypes::oid[])) with ordinality as argument (type, position)
      ),
      nullif(variables, '')
    ),
    case when variables is not null then 'void' else concat(case when proretset then 'setof ' end, format_type(prorettype, null)) end,
    body
  )
  from pg_catalog.pg_proc
  where pg_proc.oid = as_parsed_function.function
$$;
comment on function postern.as_parsed_function(oid, text, text) is
'The statement that makes a function of the same name and arguments in schema postern, with this body. One that may close itself is not to be run.';

-- A body stands between BEGIN ATOMIC and END. An END that closes it too early is the first word of a statement: between it and a
-- semicolon, or the beginning, are white space and comments. The pattern fits more than that, since a semicolon may be one of a text:
-- nothing here depends on where texts begin and end.
create or replace function postern.may_close_body(body text)
returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
return body ~* '(?:^|;)(?:\s|--[^\n\r]*[\n\r]|/\*.*\*/)*end\M';
comment on function postern.may_close_body(text) is 'Whether a statement of a body may begin with END, behind which more would be run.';

-- An analysis is made again when an object changes whose name is a word of the body. In a text that is cast to regclass or the like, a
-- name may be written otherwise: E'fi\x6cms', E'fi\lms', U&'fi\006cms', or 'fi' and 'lms' on two lines.
create or replace function postern.may_hide_names(body text)
returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
return body ~* '(?<![\w$])e''' and body ~ '(?<!\\)(?:\\\\)*\\[AC-Zac-eg-mo-qsuw-z0-9_$]'
  or body ~* 'u&["'']' and body ~* '\\(?:00[0-7]|\+0000[0-7])|uescape'
  or body ~ '''[ \t\f\v]*(?:--[^\n\r]*)?[\n\r](?:\s|--[^\n\r]*[\n\r])*''';
comment on function postern.may_hide_names(text) is 'Whether a body may name an object by a text in which the name is not written as it is.';

-- What was made is undone by the exception; variables keep what was found. The search path is that of a call while one statement runs,
-- which names nothing else: no other name is ever looked up in it.
create or replace function postern.parse_body(function oid, path text, body text, variables text, out tree text, out expression text, out state text, out failure text)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
set quote_all_identifiers = off
set transform_null_equals = off
-- A table that another transaction changes is not waited for.
set lock_timeout = '100ms'
as $$
declare
  statement text := postern.as_parsed_function(function, body, variables);
begin
  if postern.may_close_body(body) then
    state := 'PT001';
    failure := 'a statement in it may begin with END';
    return;
  end if;
  perform set_config('search_path', concat_ws(', ', nullif(path, ''), 'pg_temp'), true);
  execute statement;
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  select made.prosqlbody::text, pg_get_function_sqlbody(made.oid)
  into tree, expression
  from pg_catalog.pg_proc as original
  join pg_catalog.pg_proc as made on made.proname = original.proname
  where original.oid = parse_body.function
    and made.pronamespace = 'postern'::regnamespace
    -- A type of the same name may stand before it in the search path.
    and case
      when variables is null then
        made.proargtypes = original.proargtypes
        and made.prorettype = original.prorettype
        and made.proallargtypes is not distinct from original.proallargtypes
      else
        array(select unnest(made.proargtypes::oid[]) limit cardinality(coalesce(original.proallargtypes, original.proargtypes::oid[])))
        = array(select unnest(coalesce(original.proallargtypes, original.proargtypes::oid[])))
    end;
  raise exception sqlstate 'PT001';
exception
  when sqlstate 'PT001' then
    if tree is null then
      state := 'PT001';
      failure := 'a type in its signature is hidden by another one';
    end if;
  when others then
    tree := null;
    state := sqlstate;
    failure := sqlerrm;
end
$$;
comment on function postern.parse_body(oid, text, text, text) is 'A body of a function as PostgreSQL parses it under a search path, or the error.';

create or replace function postern.subpaths(path text)
returns setof text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select (
    select coalesce(string_agg(quote_ident(part.name), ', ' order by part.position), '')
    from unnest(postern.parse_search_path(path)) with ordinality as part (name, position)
    where (mask >> (part.position::integer - 1)) & 1 = 1
  )
  from generate_series((1 << cardinality(postern.parse_search_path(path))) - 1, 0, -1) as mask
$$;
comment on function postern.subpaths(text) is 'What is left of a search path for callers who may not use some of its schemas. The whole path comes first.';

create or replace function postern.analyze_function(function oid, required text[], out paths text[], out tree text, out expression text, out reason text)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  proc pg_catalog.pg_proc := (select pg_proc from pg_catalog.pg_proc where pg_proc.oid = function);
  is_plpgsql boolean := proc.prolang = (select pg_language.oid from pg_catalog.pg_language where lanname = 'plpgsql');
  translation postern.plpgsql_translations;
  statements text[];
  trees text[];
  expressions text[];
  failure text;
  parsed record;
  path text;
begin
  paths := required;
  if is_plpgsql then
    select * into translation
    from postern.plpgsql_translations as known
    join postern.text_functions as current on current.function = known.function and current.definition = known.definition
    where known.function = analyze_function.function;
  end if;
  reason := case
    when is_plpgsql and translation.function is null then 'it is in PL/pgSQL: run `postern analyze`'
    when is_plpgsql and translation.reason is not null then translation.reason
    when is_plpgsql and (
      proc.prosrc ~ '#\s*variable_conflict'
      or array_to_string(proc.proconfig, ' ') ~ 'variable_conflict'
      or current_setting('plpgsql.variable_conflict', true) <> 'error'
      or exists (select from pg_catalog.pg_db_role_setting where array_to_string(setconfig, ' ') ~ 'variable_conflict')
    ) then 'plpgsql.variable_conflict is set'
    when is_plpgsql and exists (
      select
      from pg_catalog.pg_cast
      where pg_cast.oid >= 16384 and castcontext <> 'e' and castfunc <> 0 and casttarget in ('boolean'::regtype, 'integer'::regtype, 'text'::regtype)
    ) then 'PL/pgSQL may use a user-defined cast to boolean, integer or text'
    when postern.may_hide_names(proc.prosrc) then 'a text in it may spell a name with escapes, or on several lines'
    when position('\' in proc.prosrc) > 0 and not postern.has_standard_strings()
      then 'it has a backslash, and standard_conforming_strings may be off'
    when exists (select from unnest(required) as one where postern.parse_search_path(one) @> '{$user}') then 'its search_path has $user'
    when exists (select from unnest(required) as one where cardinality(postern.parse_search_path(one)) > 4) then 'its search_path is long: qualify its names'
    when exists (
      select
      from unnest(required) as one
      cross join unnest(postern.parse_search_path(one)) as name
      join pg_catalog.pg_namespace on nspname = name
      where not has_schema_privilege(pg_namespace.oid, 'usage')
    ) then format('%I may not use the schemas of its search_path', current_user)
  end;
  if reason is not null then
    return;
  end if;
  -- The empty statement fails where a type of a variable is not known.
  statements := case when is_plpgsql then array['select'] || translation.statements else array[proc.prosrc] end;
  trees := array_fill(null::text, array[cardinality(statements)]);
  expressions := trees;
  paths := array(select distinct postern.subpaths(one) from unnest(required) as one);
  foreach path in array paths
  loop
    for number in 1 .. cardinality(statements)
    loop
      parsed := postern.parse_body(function, path, statements[number], translation.variables);
      if parsed.tree is not null and trees[number] <> parsed.tree then
        reason := 'its names mean other things in other search paths: set its search_path';
        return;
      elsif parsed.tree is not null then
        trees[number] := parsed.tree;
        expressions[number] := parsed.expression;
      elsif is_plpgsql and number = 1 then
        -- A session keeps the types that it found under the search path of the first call.
        reason := 'the type of a variable has to be named with its schema: ' || parsed.failure;
        return;
      -- Under this path the statement fails when it is called, too: there is no such function, relation, column, type or schema, or
      -- too many such functions.
      elsif parsed.state in ('42883', '42P01', '42703', '42704', '3F000', '42725') then
        failure := parsed.failure;
      else
        reason := parsed.failure;
        -- Another transaction holds a lock: the next analysis tries again.
        if parsed.state in ('55P03', '40P01') then
          paths := null;
        end if;
        return;
      end if;
    end loop;
  end loop;
  if array_position(trees, null) is not null then
    reason := failure;
    return;
  end if;
  tree := array_to_string(trees, ' ');
  expression := array_to_string(expressions, E'\n');
end
$$;
comment on function postern.analyze_function(oid, text[]) is
'What the body of a function means under all of these search paths, or the reason why that is not one thing. paths is null where it has to be tried again.';

create or replace function postern.analyze_functions(schemas text[] default null, extra_search_path text[] default null)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  outdated record;
  found postern.function_analyses[] := '{}';
  one record;
begin
  -- One transaction at a time. What another one leaves out is analysed by the next.
  if not pg_try_advisory_xact_lock(1886352500, 2) then
    return;
  end if;
  if schemas is not null then
    delete from postern.request_schemas;
    insert into postern.request_schemas
    select distinct schema, coalesce(analyze_functions.extra_search_path, '{public}') from unnest(schemas) as schema;
  end if;
  -- pg_function_is_visible is null where there is no such function. It looks into an index; a join would read all of pg_proc.
  delete from postern.function_analyses as analysis where pg_function_is_visible(analysis.function) is null;
  delete from postern.plpgsql_translations as known where pg_function_is_visible(known.function) is null;
  for outdated in
    select current.*
    from postern.text_functions as current
    where not exists (
      select
      from postern.function_analyses as known
      where known.function = current.function and postern.is_current(known, current.definition, current.environment, current.paths)
    )
  loop
    perform set_config('postern.is_analyzing', 'on', true);
    one := postern.analyze_function(outdated.function, outdated.paths);
    perform set_config('postern.is_analyzing', '', true);
    if one.paths is not null then
      found := found || row(
        outdated.function, outdated.definition, outdated.words, outdated.environment, one.paths, one.tree, one.expression, one.reason
      )::postern.function_analyses;
    end if;
  end loop;
  if cardinality(found) = 0 then
    return;
  end if;
  insert into postern.function_analyses
  select analysis.* from unnest(found) as analysis
  on conflict on constraint function_analyses_pkey do update
  set definition = excluded.definition,
    words = excluded.words,
    environment = excluded.environment,
    paths = excluded.paths,
    tree = excluded.tree,
    expression = excluded.expression,
    reason = excluded.reason;
  perform postern.flush();
end
$$;
comment on function postern.analyze_functions(text[], text[]) is
'Analyses the functions that changed, or whose names may mean something else now. schemas, extra_search_path: PostgREST''s db-schemas and db-extra-search-path, where they are not guessed right.';

create or replace function postern.analyze_after(command text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  -- These give no name another meaning.
  if command ~ '^(GRANT|REVOKE|CREATE POLICY|ALTER POLICY|DROP POLICY|CREATE TRIGGER|DROP TRIGGER|ALTER DEFAULT PRIVILEGES)' then
    return;
  end if;
  -- The user's command succeeds in any case. An analysis that is missing is a reason not to cache.
  begin
    perform postern.analyze_functions();
  exception
    when others then
      raise warning 'functions are not analysed: %', sqlerrm;
  end;
end
$$;
comment on function postern.analyze_after(text) is 'What event triggers call.';
