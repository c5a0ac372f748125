-- Why an answer from a relation or function is not cacheable, and which claims it reads. What is not known to read only tables and
-- claims is a reason.

-- Matches `current_setting('request.jwt.claims')::json ->> 'sub'` and its variants in SQL as PostgreSQL prints it. Nothing may stand
-- between the claims and the name: a part of what a function makes of all claims is not a claim.
create or replace function postern.setting_readers()
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    $re$\(+(?:%1$s|(?:NULLIF|COALESCE)\(%1$s, '(?:|{})'::text\)|COALESCE\(NULLIF\(%1$s, ''::text\), '{}'::text\))\)::jsonb?(?: ->>? '((?:[^']|'')+)'::text| #>>? '{([A-Za-z0-9_-]+)(?:,[^']*)?}'::text\[\]|\)\['((?:[^']|'')+)'::text\])|current_setting\('request\.jwt\.claim\.([^']+)'::text(?:, (?:true|false))?\)|current_setting\('(?:role)'::text(?:, (?:true|false))?\)$re$,
    $re$current_setting\('request\.jwt\.claims'::text(?:, (?:true|false))?\)$re$
  )
$$;
comment on function postern.setting_readers() is 'The regular expression of the known ways to read a claim or the role. A claim''s name is one of its groups, the role is in none.';

create or replace function postern.claims_in(expression text)
returns text[]
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(distinct claim order by claim) filter (where claim is not null), '{}')
  from (
    select replace(coalesce(found[1], found[2], found[3], found[4]), $q$''$q$, $q$'$q$) as claim
    from regexp_matches(expression, postern.setting_readers(), 'g') as found
  ) as reader
$$;
comment on function postern.claims_in(text) is 'The claims that an expression reads.';

-- tree: the expression as pg_node_tree. timed_types: the types for which the text 'now' reads the clock.
create or replace function postern.reasons_in(tree text, expression text, timed_types oid[])
returns text[]
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select array_remove(array[
    -- current_setting, without and with missing_ok
    case when (select count(*) from regexp_matches(tree, ':funcid (2077|3294) ', 'g'))
      > (select count(*) from regexp_matches(expression, postern.setting_readers(), 'g'))
      -- A call that is written twice, as in GROUP BY, may be once in the tree.
      or regexp_replace(expression, postern.setting_readers(), '', 'g') ~ 'current_setting\('
      then 'reads a setting that is not a named claim: ' || coalesce((
        select string_agg(distinct setting[1], ', ')
        from regexp_matches(regexp_replace(expression, postern.setting_readers(), '', 'g'), $re$current_setting\('([^']+)'$re$, 'g') as setting
      ), 'its name is computed')
    end,
    -- A user-defined cast or NULLIF is printed like a built-in one. PostgreSQL itself has no function that casts to json or jsonb.
    case when expression ~ 'current_setting\(' and (
      tree ~ '{FUNCEXPR :funcid \d+ :funcresulttype (?:114|3802) (?::\w+ \w+ ){2}:funcformat [12] '
      or exists (select from regexp_matches(tree, '{NULLIFEXPR :opno (\d+) ', 'g') as found where found[1]::oid >= 16384)
    ) then 'reads a setting that is not a named claim: by a user-defined cast or operator' end,
    case when postern.claims_in(expression) && '{exp,iat,nbf,jti}'
      then 'reads a claim that differs from token to token' end,
    case when tree ~ '{SQLVALUEFUNCTION :op [0-8] ' then 'reads the clock' end,
    case when tree ~ ':path_spec {(?!CONST )' or tree ~ '{JSONEXPR ' and expression ~ '\.(?:date|time)\w*\('
      then 'makes a date or time of a text in JSON' end,
    case when tree ~ '{SQLVALUEFUNCTION :op (12|14) ' then 'reads session_user or current_schema' end,
    case when tree ~ ':tablesample {' then 'reads a random sample' end,
    case when tree ~ '{NEXTVALUEEXPR' then 'takes a value of a sequence' end,
    -- ctid, xmin, cmin, xmax, cmax: VACUUM FULL and row locks change them without firing a trigger.
    case when tree ~ '{VAR :varno \S+ :varattno -[1-5] ' then 'reads where a row is stored or which transactions touched it' end,
    case when tree ~ '{(COERCEVIAIO|TABLEFUNC|JSONEXPR) ' and exists (
      select
      from regexp_matches(tree, ':(?:resulttype|typid|coltypes) (?:\(o )?([1-9][\d ]*)', 'g') as found
      cross join regexp_split_to_table(rtrim(found[1]), ' ') as type
      where type::oid = any (timed_types)
    ) then 'makes a date or time of a text' end
  ], null)
$$;
comment on function postern.reasons_in(text, text, oid[]) is 'Why the value of an expression does not follow from tables and claims. The functions that it calls are judged apart.';

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

create or replace view postern.relation_facts as
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
    when class.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      then format('%s belongs to the system', class.oid::regclass)
    when class.relkind = 'f' then format('%s is a foreign table: its changes are not seen', class.oid::regclass)
    when class.relkind = 'S' then format('%s is a sequence', class.oid::regclass)
    when class.relpersistence = 't' then format('%s is temporary', class.oid::regclass)
    when exists (
      select
      from pg_catalog.pg_attribute as attribute
      join postern.zoned_types as zoned on zoned.type = attribute.atttypid
      where attribute.attrelid = class.oid and attribute.attnum > 0
    ) then format('%s has a column that reads a text with today''s offset of the time zone', class.oid::regclass)
    when class.relkind = 'v' then null
    when class.relkind = 'm' then
      case when not postern.is_watched() then format('%s may be refreshed unseen: there are no event triggers', class.oid::regclass) end
    when class.relkind not in ('r', 'p') then format('%s is not a table', class.oid::regclass)
    when cardinality(root.roots) > 1 then format('%s inherits from several tables', class.oid::regclass)
    when tracked.relation is null then format('%s is not tracked', class.oid::regclass)
    else tracked.reason
  end as reason
from pg_catalog.pg_class as class
left join postern.inherited_roots on inherited_roots.relation = class.oid
cross join lateral (select coalesce(inherited_roots.roots, array[class.oid]) as roots) as root
join pg_catalog.pg_class as root_class on root_class.oid = root.roots[1]
join pg_catalog.pg_namespace as root_schema on root_schema.oid = root_class.relnamespace
left join tracked on tracked.relation = root.roots[1];
comment on view postern.relation_facts is 'The tag of each relation, and the reason why its changes may not be seen.';

create or replace view postern.function_facts as
select
  proc.oid as node,
  coalesce(declared.claims, '{}') as claims,
  case
    when proc.provolatile = 'v' then format('%s is volatile', proc.oid::regprocedure)
    when exists (
      select from unnest(declared.reads) as read where not exists (select from pg_catalog.pg_class where pg_class.oid = read)
    ) then format('%s is declared to read a relation that was dropped', proc.oid::regprocedure)
    when exists (select from postern.zoned_types as zoned where zoned.type = any (proc.proargtypes::oid[]))
      then format('%s has an argument that reads a text with today''s offset of the time zone', proc.oid::regprocedure)
    when declared.definition = postern.definition_of(proc.oid) then null
    when declared.function is not null then format('%s has changed since it was declared cacheable', proc.oid::regprocedure)
    when schema.nspname ~ '^pg_temp_' then format('%s is temporary', proc.oid::regprocedure)
    when exists (
      select
      from pg_catalog.pg_aggregate as aggregate
      where aggregate.aggfnoid = proc.oid
        and proc.oid >= 16384
        and (
          aggregate.agginitval is not null and aggregate.aggtranstype in (select timed.type from postern.timed_types as timed)
          or aggregate.aggminitval is not null and aggregate.aggmtranstype in (select timed.type from postern.timed_types as timed)
        )
    ) then format('%s begins with a text that is read as a date or time', proc.oid::regprocedure)
    -- A user may have created functions in pg_catalog, too: their oids are not below 16384.
    when proc.pronamespace = 'pg_catalog'::regnamespace and proc.oid < 16384
      -- timetz(time), timezone(text, timetz) and timezone(timetz) use today's offset of the time zone.
      and (proc.provolatile = 'i' or postern.is_harmless(proc.proname::text) and proc.oid not in (2047, 2037, 6336))
      then null
    when proc.pronamespace = 'pg_catalog'::regnamespace and proc.oid < 16384 then format('%s may read the clock or the session', proc.oid::regprocedure)
    when proc.prosqlbody is not null then null
    -- Functions in C that an extension declares immutable are trusted. An aggregate is judged by its parts.
    when language.lanname in ('internal', 'c') and proc.provolatile = 'i' then null
    else format('what %s reads is not known: postern.declare_cacheable can tell', proc.oid::regprocedure)
  end as reason
from pg_catalog.pg_proc as proc
join pg_catalog.pg_language as language on language.oid = proc.prolang
join pg_catalog.pg_namespace as schema on schema.oid = proc.pronamespace
left join postern.cacheable_functions as declared on declared.function = proc.oid;
comment on view postern.function_facts is 'The claims that each function is declared to read, and the reason why its result may not follow from tables and claims.';
