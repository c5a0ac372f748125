-- The search paths under which the body of a function may be parsed. A body that is text is parsed when it is called.

create or replace function postern.parse_search_path(setting text)
returns text[]
-- plpgsql keeps the plan, which takes longer to make than to run.
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(array_agg(named.name order by named.position), '{}')
    from (
      select coalesce(replace(found.parts[1], '""', '"'), lower(found.parts[2] collate "C")) as name, min(found.position) as position
      from regexp_matches(setting, '"((?:[^"]|"")*)"|([^\s,"]+)', 'g') with ordinality as found (parts, position)
      group by 1
    ) as named
    where named.name not in ('', 'pg_temp')
      -- PostgreSQL searches it first by itself.
      and not (named.name = 'pg_catalog' and named.position = 1)
      and (named.name <> '$user' or exists (
        select from pg_catalog.pg_namespace join pg_catalog.pg_roles on rolname = nspname where nspname <> 'postern'
      ))
  );
end
$$;
comment on function postern.parse_search_path(text) is
'The schemas that a setting names, in order. pg_temp is left out: what is temporary is not cacheable.';

create or replace function postern.restricted_path(path text[], schemas text[])
returns text
-- plpgsql, as parse_search_path.
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(string_agg(quote_ident(name), ', ' order by position), '')
    from unnest(path) with ordinality as part (name, position)
    where name = any (schemas) or name in ('pg_catalog', '$user')
  );
end
$$;
comment on function postern.restricted_path(text[], text[]) is 'A search path without the schemas in which a body can find no name.';

-- PostgREST applies the settings of the roles that its login role is a member of.
create or replace view postern.role_search_paths as
select
  setting_of.setrole as role,
  postern.parse_search_path(substr(setting, length('search_path=') + 1)) as path,
  exists (
    select
    from pg_catalog.pg_auth_members as membership
    join pg_catalog.pg_roles as member on member.oid = membership.member
    where membership.roleid = setting_of.setrole and member.rolcanlogin and not member.rolsuper and not member.rolinherit
  ) as is_switched_to
from pg_catalog.pg_db_role_setting as setting_of
cross join unnest(setting_of.setconfig) as setting
where setting like 'search\_path=%'
  and setting_of.setrole <> 0
  and setting_of.setdatabase in (0, (select pg_database.oid from pg_catalog.pg_database where datname = current_database()));
comment on view postern.role_search_paths is 'The search paths that are set for roles. is_switched_to: a login role like PostgREST''s is a member.';

-- A function without a search path of its own has that of the request, or that of a function that calls it, even if by a policy.
create or replace view postern.search_paths as
with told as materialized (
  select request_schemas.schema, request_schemas.extra_search_path from postern.request_schemas
),
extra (path) as materialized (
  select coalesce(
    (
      select postern.parse_search_path(substr(setting, length('pgrst.db_extra_search_path=') + 1))
      from pg_catalog.pg_db_role_setting
      cross join unnest(setconfig) as setting
      where setting like 'pgrst.db\_extra\_search\_path=%'
      limit 1
    ),
    -- PostgREST's default, and Supabase's
    array(select nspname::text from pg_catalog.pg_namespace where nspname in ('public', 'extensions') order by nspname desc)
  )
)
select told.schema || array_remove(told.extra_search_path, told.schema) as path
from told
union
select guessed.schema || array_remove(extra.path, guessed.schema)
from extra
cross join (
  select 'public'
  union
  select nspname::text
  from pg_catalog.pg_namespace
  where pg_namespace.oid in (
    select tracked_schemas.schema from postern.tracked_schemas
    union
    select pg_class.relnamespace from postern.tracked_relations join pg_catalog.pg_class on pg_class.oid = tracked_relations.relation
  )
) as guessed (schema)
where not exists (select from told)
union
select postern.parse_search_path(substr(alike.setting, length('search_path=') + 1))
from (
  select distinct setting
  from pg_catalog.pg_proc
  cross join unnest(proconfig) as setting
  where pg_proc.oid >= 16384
    and pronamespace <> 'postern'::regnamespace
    and setting like 'search\_path=%'
) as alike
union
select role_paths.path
from postern.role_search_paths as role_paths
where role_paths.is_switched_to;
comment on view postern.search_paths is 'The search paths that a function without one of its own may be called under.';
