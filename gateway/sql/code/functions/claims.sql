-- Which claims, headers and cookies an expression reads, by path, found in its SQL as PostgreSQL prints it.
--
-- A path is like `sub` or `app_metadata/org_id`: its keys, with ~ and / in them written ~0 and ~1 (RFC 6901, without the first slash).
-- What is read of the claims is replaced step by step by a token: \x01, one letter for the setting, one for the form, the path, \x02.
-- Letters of the setting: c claims, h headers, k cookies. Forms: T the setting's text, J a JSON value, V a value that is read no further.
-- A token without a path that is left in the end stands for all claims together.

create or replace function postern.escaped_key(key text)
returns text
language sql immutable
return replace(replace(key, '~', '~0'), '/', '~1');
comment on function postern.escaped_key(text) is 'A key as a part of a path.';

-- PostgREST sets no request.jwt.claim. Supabase's functions prefer it.
create or replace function postern.settings_replaced(expression text, sources text[])
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when cardinality(sources) = 0 then read.expression
    else regexp_replace(read.expression, '(?<![\w.$])(?:' || array_to_string(sources, '|') || ')\(\)', E'\x01cJ\x02', 'g')
  end
  from (
    select regexp_replace(
      regexp_replace(
        regexp_replace(
          expression,
          $re$current_setting\('request\.jwt\.claims?'::text(?:, (?:true|false))?\)$re$, E'\x01cT\x02', 'g'
        ),
        $re$current_setting\('request\.headers'::text(?:, (?:true|false))?\)$re$, E'\x01hT\x02', 'g'
      ),
      $re$current_setting\('request\.cookies'::text(?:, (?:true|false))?\)$re$, E'\x01kT\x02', 'g'
    ) as expression
  ) as read
$$;
comment on function postern.settings_replaced(text, text[]) is
'An expression with tokens in place of the settings. sources: regular expressions of the names of functions that return all claims.';

create or replace function postern.keys_up_to_an_index(keys text[])
returns text[]
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(key order by position), '{}')
  from (
    select key, position, bool_and(key !~ '^\s*[-+]?\d' and lower(key) <> 'null') over (order by position) as is_plain
    from unnest(keys) with ordinality as part (key, position)
  ) as part
  where is_plain
$$;
comment on function postern.keys_up_to_an_index(text[]) is
'The keys before the first that may be an index of an array. The value there is then read as a whole.';

create or replace function postern.settings_followed(expression text, sources text[])
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  rest text := postern.settings_replaced(expression, sources);
  before text;
  step text[];
  keys text[];
  known text[];
begin
  while position(E'\x01' in rest) > 0
  loop
    before := rest;
    -- What leaves all claims as they are. Without claims, '{}' is the same as null.
    rest := regexp_replace(rest, 'NULLIF\((\u0001.T\u0002), ''(?:\{\})?''::text\)', '\1', 'g');
    rest := regexp_replace(rest, 'COALESCE\((\u0001.T\u0002)(?:, (?:\1|''(?:\{\})?''::text|NULL::text))+\)', '\1', 'g');
    rest := regexp_replace(rest, '\((\u0001.)T(\u0002)\)::jsonb?', '\1J\2', 'g');
    rest := regexp_replace(rest, '\((\u0001.J[^\u0002]*\u0002)\)::jsonb?', '\1', 'g');
    rest := regexp_replace(rest, 'COALESCE\((\u0001.J[^\u0002]*\u0002), ''\{\}''::jsonb?\)', '\1', 'g');
    rest := regexp_replace(rest, '\(\s*SELECT\s+(\u0001.[TJ][^\u0002]*\u0002)(?:\s+AS\s+\w+)?\s*\)', '(\1)', 'g');
    rest := regexp_replace(rest, '\(\((\u0001.T\u0002)\)\)', '(\1)', 'g');
    -- Not behind a word: that would be a part of what a function makes of it.
    rest := regexp_replace(rest, '(?<![\w.$])\((\u0001.J[^\u0002]*\u0002)\)', '\1', 'g');
    continue when rest <> before;
    step := regexp_match(
      rest,
      $re$(\u0001(.)J([^\u0002]*)\u0002(?: (->>?) '((?:[^']|'')+)'::text| (#>>?) '\{([^'{}"\\]+)\}'::text\[\]|\['((?:[^']|'')+)'::text\]))$re$
    );
    exit when step is null;
    keys := case
      when step[6] is not null then string_to_array(step[7], ',')
      else array[replace(coalesce(step[5], step[8]), $q$''$q$, $q$'$q$)]
    end;
    known := case when step[4] is not null then keys else postern.keys_up_to_an_index(keys) end;
    rest := replace(
      rest,
      step[1],
      concat(
        E'\x01', step[2], case when known = keys and coalesce(step[4], step[6], '') !~ '>>' then 'J' else 'V' end,
        concat_ws('/', nullif(step[3], ''), (select string_agg(postern.escaped_key(key), '/' order by position) from unnest(known) with ordinality as part (key, position))),
        E'\x02'
      )
    );
  end loop;
  return rest;
end
$$;
comment on function postern.settings_followed(text, text[]) is 'An expression with tokens in place of all that is read of settings.';

create or replace function postern.casts_by_users(tree text)
returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  -- PostgreSQL itself has no function that casts to json or jsonb.
  select tree ~ '{FUNCEXPR :funcid \d+ :funcresulttype (?:114|3802) (?::\w+ \w+ ){2}:funcformat [12] '
    or exists (select from regexp_matches(tree, '{NULLIFEXPR :opno (\d+) ', 'g') as found where found[1]::oid >= 16384)
$$;
comment on function postern.casts_by_users(text) is 'Whether an expression may have a user-defined cast or NULLIF, which are printed like built-in ones.';

-- tree: what postern.tree_of(kind, node, …) returns. source_oids: the functions that sources name.
create or replace function postern.setting_reads(
  kind text, node oid, tree text, sources text[], source_oids oid[],
  out claims text[], out headers text[], out cookies text[], out reason text
)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  legacy constant text := $re$current_setting\('request\.jwt\.claim\.((?:[^']|'')+)'::text(?:, (?:true|false))?\)$re$;
  -- current_setting, without and with missing_ok
  readers constant oid[] := '{2077,3294}'::oid[] || source_oids;
  -- Most expressions read no setting, and position() is the faster search.
  called bigint := case
    when exists (select from unnest(readers) as reader where position(format(':funcid %s ', reader) in tree) > 0)
      then regexp_count(tree, ':funcid (?:' || array_to_string(readers, '|') || ') ')
    else 0
  end;
  role constant text := $re$current_setting\('role'::text(?:, (?:true|false))?\)$re$;
  expression text;
  rest text;
  understood bigint;
  whole text[];
begin
  claims := '{}';
  headers := '{}';
  cookies := '{}';
  if called = 0 then
    return;
  end if;
  -- Here, because printing a view makes PostgreSQL load all tables of it.
  expression := postern.printed(kind, node);
  if position(E'\x01' in expression) > 0 then
    reason := 'has a character that stands for nothing';
    return;
  end if;
  rest := postern.settings_replaced(expression, sources);
  understood := regexp_count(rest, '\u0001') + regexp_count(rest, legacy) + regexp_count(rest, role);
  rest := postern.settings_followed(expression, sources);
  claims := array(
    select piece[1] from regexp_matches(rest, '\u0001c[JV]([^\u0002]+)\u0002', 'g') as piece
    union
    select postern.escaped_key(replace(piece[1], $q$''$q$, $q$'$q$)) from regexp_matches(rest, legacy, 'g') as piece
    order by 1
  );
  -- Neither has values with parts.
  headers := array(select distinct lower(split_part(piece[1], '/', 1)) from regexp_matches(rest, '\u0001h[JV]([^\u0002]+)\u0002', 'g') as piece order by 1);
  cookies := array(select distinct split_part(piece[1], '/', 1) from regexp_matches(rest, '\u0001k[JV]([^\u0002]+)\u0002', 'g') as piece order by 1);
  rest := regexp_replace(regexp_replace(rest, legacy, '', 'g'), role, '', 'g');
  whole := array(
    select distinct case piece[1] when 'c' then 'request.jwt.claims' when 'h' then 'request.headers' else 'request.cookies' end
    from regexp_matches(rest, '\u0001(.)[TJV]\u0002', 'g') as piece
    union
    select piece[1] from regexp_matches(rest, $re$current_setting\('([^']+)'$re$, 'g') as piece
    order by 1
  );
  reason := case
    when cardinality(whole) > 0 then 'reads a setting that is not a named claim: ' || array_to_string(whole, ', ')
    -- A call that is written twice, as in GROUP BY, may be once in the tree.
    when called > understood or position('current_setting(' in rest) > 0 then 'reads a setting that is not a named claim: its name is computed'
    when postern.casts_by_users(tree) then 'reads a setting that is not a named claim: by a user-defined cast or operator'
    when exists (select from unnest(claims) as claim where split_part(claim, '/', 1) in ('exp', 'iat', 'nbf', 'jti'))
      then 'reads a claim that differs from token to token'
  end;
end
$$;
comment on function postern.setting_reads(text, oid, text, text[], oid[]) is
'The paths of claims, and the headers and cookies, that an expression reads; or the reason why they are not known.';

-- auth.jwt() of Supabase, and functions like it
create or replace function postern.claim_functions(analyses postern.analyses[])
returns table (function oid, source text)
language sql stable
begin atomic
  -- Few functions are left here, so that few bodies are looked into.
  with candidate as materialized (
    select proc.oid, proc.prosqlbody, schema.nspname, proc.proname
    from pg_catalog.pg_proc as proc
    join pg_catalog.pg_namespace as schema on schema.oid = proc.pronamespace
    where proc.oid >= 16384
      and proc.pronargs = 0
      and not proc.proretset
      and proc.prorettype in ('pg_catalog.json'::regtype, 'pg_catalog.jsonb'::regtype)
      and schema.nspname not in ('pg_catalog', 'postern')
      -- Names that are printed without quotes.
      and schema.nspname ~ '^[a-z_][a-z0-9_]*$'
      and proc.proname ~ '^[a-z_][a-z0-9_]*$'
      and quote_ident(schema.nspname) = schema.nspname
      and quote_ident(proc.proname) = proc.proname
      -- A declaration replaces the body.
      and not exists (select from postern.cacheable_functions as declared where declared.function = proc.oid)
  )
  select candidate.oid, format('%s\.%s', candidate.nspname, candidate.proname)
  from candidate
  left join unnest(analyses) as understood on understood.function = candidate.oid and understood.is_understood
  left join postern.function_analyses as analysis on analysis.function = understood.function
  cross join lateral (
    select
      coalesce(candidate.prosqlbody::text, analysis.tree) as tree,
      regexp_replace(coalesce(pg_get_function_sqlbody(candidate.oid), analysis.expression), ' AS "\w+"', '') as expression
  ) as body
  where postern.casts_by_users(body.tree) is false
    and position('"' in body.expression) = 0
    and postern.settings_followed(body.expression, '{}')
      ~ '^(?:RETURN \u0001cJ\u0002|BEGIN ATOMIC\s+SELECT \u0001cJ\u0002(?: AS \w+)?;\s+END)$';
end;
comment on function postern.claim_functions(postern.analyses[]) is 'Functions that return all claims of the caller, and nothing else.';
