-- Functions whose results the operator declares to be cacheable, because SQL cannot tell what they read.

create or replace function postern.definition_of(function oid)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  -- A declaration of version 0.1 said nothing where it should have named what is read: none has this prefix.
  select 'explicit ' || md5(concat_ws(' ', prosrc, probin, pg_get_function_sqlbody(oid), prosecdef, provolatile, prolang, proconfig))
  from pg_catalog.pg_proc
  where pg_proc.oid = function
$$;
comment on function postern.definition_of(oid) is 'Differs when the behaviour of a function may differ.';

-- What a body names, in any language. It may read more, by names that it computes. What it does not read may be among it, too.
-- expressions, claim_functions, claim_sources: as postern.catalog finds them.
create or replace function postern.named_in_body(
  function oid, expressions postern.expressions[], claim_functions oid[], claim_sources text[],
  out reads text[], out claims text[], out settings text[]
)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  source text := (select prosrc from pg_catalog.pg_proc where pg_proc.oid = function);
  -- Names are found whether they stand in quotes or not.
  body text := lower(replace(source, '"', ''));
begin
  with recursive called (function) as (
    select named_in_body.function
    union
    select proc.oid
    from pg_catalog.pg_proc as proc
    join pg_catalog.pg_namespace as schema on schema.oid = proc.pronamespace
    where proc.oid >= 16384
      and schema.nspname not in ('postern', 'pg_catalog')
      and position(lower(proc.proname::text) in body) > 0
      and body ~ ('(?<![\w])' || regexp_replace(lower(proc.proname::text), '(\W)', '\\\1', 'g') || '\s*\(')
  ),
  reach (kind, node) as (
    select 'function', called.function from called
    union
    select dependencies.to_kind, dependencies.to_node
    from reach
    join postern.dependencies(expressions, claim_functions) on dependencies.kind = reach.kind and dependencies.node = reach.node
  ),
  setting as (
    select read.claims
    from reach
    join unnest(expressions) as expression on expression.kind = reach.kind and reach.node = any (expression.nodes)
    cross join lateral postern.setting_reads(
      reach.kind, reach.node, postern.tree_of(reach.kind, reach.node, expression.is_parsed_in_calls), claim_sources, claim_functions
    ) as read
  )
  select
    array(
      select class.oid::regclass::text
      from pg_catalog.pg_class as class
      join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
      where class.relkind in ('r', 'p', 'm', 'f')
        and schema.nspname not in ('postern', 'information_schema', 'pg_catalog')
        and schema.nspname !~ '^pg_(toast|temp)'
        and (
          exists (select from reach where reach.kind = 'relation' and reach.node = class.oid)
          or position(lower(class.relname::text) in body) > 0
            and body ~ format(
              '(?:\m(?:from|join|only|using)\s+|,\s*)(?:%s\.)?%s(?![\w.(])',
              regexp_replace(lower(schema.nspname::text), '(\W)', '\\\1', 'g'), regexp_replace(lower(class.relname::text), '(\W)', '\\\1', 'g')
            )
        )
      order by 1
    ),
    array(
      select replace(replace(split_part(claim, '/', 1), '~1', '/'), '~0', '~') from setting cross join unnest(setting.claims) as claim
      union
      select piece[1] from regexp_matches(source, $re$request\.jwt\.claim\.([^']+)'$re$, 'g') as piece
      union
      select replace(coalesce(piece[1], piece[2]), $q$''$q$, $q$'$q$)
      from regexp_matches(
        source, $re$(?:jsonb?|jwt\(\s*\))[\s)]*(?:->>?\s*'((?:[^']|'')+)'|#>>?\s*'\{([^',}]+)[,}])$re$, 'gi'
      ) as piece
      where source ~* $re$request\.jwt\.claims?'|jwt\(\s*\)$re$
      order by 1
    ),
    array(
      select distinct piece[1]
      from regexp_matches(source, $re$current_setting\s*\(\s*'([^']+)'$re$, 'gi') as piece
      where piece[1] !~ '^(request\.jwt\.claims?|request\.jwt\.claim\..*|role)$'
      order by 1
    )
  into reads, claims, settings;
end
$$;
comment on function postern.named_in_body(oid, postern.expressions[], oid[], text[]) is
'The tables, claims and other settings that a body names, or a function that it calls.';

create or replace function postern.named_in_body(function oid, out reads text[], out claims text[], out settings text[])
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  analyses constant postern.analyses[] := array(select known from postern.analyses as known);
  expressions constant postern.expressions[] := array(select row(found.*)::postern.expressions from postern.find_expressions(analyses) as found);
  claim_functions oid[];
  claim_sources text[];
begin
  select coalesce(array_agg(source.function), '{}'), coalesce(array_agg(source.source), '{}')
  into claim_functions, claim_sources
  from postern.claim_functions(analyses) as source;
  select * into reads, claims, settings
  from postern.named_in_body(function, expressions, claim_functions, claim_sources);
end
$$;
comment on function postern.named_in_body(oid) is 'The same, where nothing of it is known yet.';

-- That a function reads nothing is not proposed: what is not found may be named in a way that is not looked for. declare_cacheable refuses
-- *, which stands for the names that have to be filled in.
create or replace function postern.declaration(function oid, reads text[], claims text[])
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select concat(
    case when provolatile = 'v' then format('alter function %s stable; ', function::regprocedure) end,
    format(
      'select postern.declare_cacheable(%L, reads => %L, claims => %L)',
      function::regprocedure,
      case when reads = '{}' then '{*}' else reads end,
      case
        when claims = '{}' and (lanname not in ('sql', 'plpgsql') or prosrc ~* 'jwt|current_setting') then '{*}'
        else claims
      end
    )
  )
  from pg_catalog.pg_proc
  join pg_catalog.pg_language on pg_language.oid = prolang
  where pg_proc.oid = function
$$;
comment on function postern.declaration(oid, text[], text[]) is 'The declaration that a function reads these. Only what is not volatile can be declared.';

create or replace function postern.declaration_of(function oid)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    -- Nothing is known of compiled code.
    when language.lanname in ('internal', 'c') then postern.declaration(function, '{*}', '{*}')
    else (select postern.declaration(function, named.reads, named.claims) from postern.named_in_body(function) as named)
  end
  from pg_catalog.pg_proc as proc
  join pg_catalog.pg_language as language on language.oid = proc.prolang
  where proc.oid = function
$$;
comment on function postern.declaration_of(oid) is 'The declaration of what the body of a function names.';

-- Takes a tenth of a second a function, so it is done by `postern analyze`, and not by event triggers: after a command that has a function
-- analysed again, the reason names the query that gives the declaration.
create or replace function postern.add_declarations()
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
  with declared (function, suffix) as materialized (
    select analysis.function, ', or, if it reads nothing else, run: ' || postern.declaration_of(analysis.function)
    from postern.function_analyses as analysis
    join pg_catalog.pg_proc as proc on proc.oid = analysis.function
    join pg_catalog.pg_language as language on language.oid = proc.prolang and language.lanname = 'plpgsql'
    where analysis.reason is not null
      and position('postern.declare_cacheable(' in analysis.reason) = 0
  ),
  short (function, suffix) as materialized (
    -- The reason is one header of an answer.
    select declared.function, declared.suffix from declared where length(declared.suffix) <= 1000
  ),
  translated as (
    update postern.plpgsql_translations as known
    set reason = known.reason || short.suffix
    from short
    where known.function = short.function and known.reason is not null
  )
  update postern.function_analyses as analysis
  set reason = analysis.reason || short.suffix
  from short
  where analysis.function = short.function;
end;
comment on function postern.add_declarations() is
'Adds to the reason of each function in PL/pgSQL that is not understood the statement that declares it.';

-- Nothing has a default: a declaration that names nothing says that the function reads nothing but its arguments.
create or replace function postern.declare_cacheable(function regprocedure, reads regclass[], claims text[])
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  proc pg_catalog.pg_proc;
  named record;
  unstable text[] := array(select unnest(claims) intersect values ('exp'), ('iat'), ('nbf'), ('jti'));
begin
  select * into proc from pg_catalog.pg_proc where pg_proc.oid = function;
  if reads is null or claims is null or array_position(reads, null) is not null or array_position(claims, null) is not null then
    raise exception 'reads and claims have to name what % reads', function
      using errcode = 'invalid_parameter_value', hint = 'An empty array means nothing.';
  elsif proc.provolatile = 'v' then
    raise exception '% is volatile', function
      using errcode = 'invalid_parameter_value', hint = 'If it only reads, say so first: alter function ... stable.';
  elsif proc.pronamespace = 'pg_catalog'::regnamespace then
    raise exception '% belongs to PostgreSQL', function
      using errcode = 'invalid_parameter_value', hint = 'Call it in a function of your own, and declare that one.';
  elsif cardinality(unstable) > 0 then
    raise exception 'these claims differ from token to token: %', array_to_string(unstable, ', ')
      using errcode = 'invalid_parameter_value', hint = 'An answer that depends on them cannot be shared.';
  elsif exists (select from unnest(claims) as claim where claim in ('', '*')) then
    raise exception 'claims has what is no name of a claim: %', array_to_string(claims, ', ')
      using errcode = 'invalid_parameter_value', hint = 'Name each claim that it reads. There is no name for all of them.';
  end if;
  named := postern.named_in_body(function);
  if cardinality(named.settings) > 0 then
    raise exception '% reads settings that are not claims: %', function, array_to_string(named.settings, ', ')
      using errcode = 'invalid_parameter_value', hint = 'What depends on them is not cacheable.';
  elsif not named.claims <@ claims then
    raise exception '% reads claims that the declaration leaves out: %', function,
      (select string_agg(claim, ', ') from unnest(named.claims) as claim where claim <> all (claims))
      using errcode = 'invalid_parameter_value', hint = postern.declaration_of(function);
  elsif not named.reads::regclass[] <@ reads then
    raise exception '% reads tables that the declaration leaves out: %', function,
      (select string_agg(read, ', ') from unnest(named.reads) as read where read::regclass <> all (reads))
      using errcode = 'invalid_parameter_value', hint = postern.declaration_of(function);
  end if;
  insert into postern.cacheable_functions (function, reads, claims, definition)
  values (function, reads, claims, postern.definition_of(function))
  on conflict on constraint cacheable_functions_pkey do update
  set reads = excluded.reads, claims = excluded.claims, definition = excluded.definition;
  perform postern.flush();
end
$$;
comment on function postern.declare_cacheable(regprocedure, regclass[], text[]) is
'Declares that a function reads its arguments, these relations and these claims of the caller''s token, and nothing else.';

create or replace function postern.undeclare_cacheable(function regprocedure)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from postern.cacheable_functions as declared where declared.function = undeclare_cacheable.function;
  perform postern.flush();
end
$$;
comment on function postern.undeclare_cacheable(regprocedure) is 'Takes a declaration back.';
