-- The digest of what no event trigger tells. Every poll compares it, so that isolation and freshness wait for no event.

create or replace function postern.count_of_changes(catalog regclass)
returns bigint
language sql stable
return pg_stat_get_tuples_inserted(catalog) + pg_stat_get_tuples_updated(catalog) + pg_stat_get_tuples_deleted(catalog);
comment on function postern.count_of_changes(regclass) is 'The rows of a system catalog that were ever written, as PostgreSQL''s statistics have counted them.';

create or replace function postern.schema_digest()
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  -- Every change of a system catalog leaves a new version of a row. In pg_class, TRUNCATE and REFRESH do so as well.
  with ignored (oid) as (
    select pg_class.oid from pg_catalog.pg_class where relpersistence = 't'
    union all
    select unnest(postern.schema_markers())
  )
  select md5(string_agg(part.version, ' ' order by part.name))
  from (
    select 'class', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid))
    from pg_catalog.pg_class where oid >= 16384 and oid not in (select ignored.oid from ignored)
    union all
    -- The default of a virtual generated column is its value.
    select 'default', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_attrdef
    where adrelid not in (select ignored.oid from ignored)
    union all
    select 'attribute', md5(string_agg(concat_ws(' ', attrelid, attnum, xmin), ',' order by attrelid, attnum))
    from pg_catalog.pg_attribute where attrelid >= 16384 and attrelid not in (select ignored.oid from ignored)
    union all
    select 'inherits', md5(string_agg(concat_ws(' ', inhrelid, inhparent, xmin), ',' order by inhrelid, inhparent)) from pg_catalog.pg_inherits
    where inhrelid not in (select ignored.oid from ignored)
    union all
    select 'constraint', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_constraint
    where oid >= 16384 and conrelid not in (select ignored.oid from ignored)
    union all
    select 'trigger', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_trigger
    where tgrelid not in (select ignored.oid from ignored)
    union all
    select 'rewrite', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_rewrite
    where oid >= 16384 and ev_class not in (select ignored.oid from ignored)
    union all
    select 'policy', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_policy
    where polrelid not in (select ignored.oid from ignored)
    union all
    -- A user may change the rights on functions of PostgreSQL, too.
    select 'proc', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_proc where oid >= 16384 or proacl is not null
    union all
    select 'type', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid))
    from pg_catalog.pg_type where oid >= 16384 and typtype <> 'c' and typelem = 0
    union all
    select 'enum', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_enum
    union all
    select 'cast', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_cast where oid >= 16384
    union all
    select 'operator', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_operator where oid >= 16384
    union all
    select 'namespace', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_namespace where nspname !~ '^pg_(toast_)?temp'
    union all
    select 'text search', md5(string_agg(concat_ws(' ', mapcfg, maptokentype, mapseqno, mapdict, xmin), ',' order by mapcfg, maptokentype, mapseqno))
    from pg_catalog.pg_ts_config_map where mapcfg >= 16384
    union all
    select 'dictionary', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_ts_dict where oid >= 16384
    union all
    -- A policy that was created and dropped between two polls has left no row. PostgreSQL counts it within 10 s.
    select 'count', postern.count_of_changes('pg_catalog.pg_policy')::text
  ) as part (name, version)
$$;
comment on function postern.schema_digest() is 'Differs whenever the schema, a policy or a grant differs. Needed where event triggers do not tell of these.';

create or replace function postern.digest()
returns text
-- As postern.database_incarnation().
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return md5(concat_ws(
    '|',
    (select string_agg(concat_ws(' ', oid, rolname, rolsuper, rolinherit, rolbypassrls), ',' order by oid) from pg_catalog.pg_roles),
    (select string_agg(concat_ws(' ', roleid, member, xmin), ',' order by roleid, member, xmin::text) from pg_catalog.pg_auth_members),
    (select string_agg(concat_ws(' ', setdatabase, setrole, xmin), ',' order by setdatabase, setrole) from pg_catalog.pg_db_role_setting),
    -- A membership or setting that was granted and revoked between two polls has left no row. PostgreSQL counts it within 10 s.
    postern.count_of_changes('pg_catalog.pg_authid'),
    postern.count_of_changes('pg_catalog.pg_auth_members'),
    postern.count_of_changes('pg_catalog.pg_db_role_setting'),
    -- The owner of the database is the member of pg_database_owner.
    (select datdba from pg_catalog.pg_database where datname = current_database()),
    -- REASSIGN OWNED fires no event trigger. Of tables, only those count that are tracked: answers from others are not cached.
    (
      select string_agg(concat_ws(' ', owned.classid, owned.objid, owned.xmin), ',' order by owned.classid, owned.objid)
      from pg_catalog.pg_shdepend as owned
      left join pg_catalog.pg_class as class on owned.classid = 'pg_catalog.pg_class'::regclass and class.oid = owned.objid
      where owned.dbid = (select pg_database.oid from pg_catalog.pg_database where datname = current_database())
        and owned.deptype = 'o'
        and owned.objsubid = 0
        and (
          owned.classid in ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_namespace'::regclass)
          or class.relkind in ('v', 'm') and class.relpersistence <> 't'
          or class.relkind in ('r', 'p') and exists (
            select from pg_catalog.pg_trigger where pg_trigger.tgrelid = class.oid and pg_trigger.tgname = 'postern_insert'
          )
        )
    ),
    -- DETACH PARTITION CONCURRENTLY commits that the rows are gone, and waits for readers before it ends.
    (select string_agg(inhrelid::text, ',' order by inhrelid) from pg_catalog.pg_inherits where inhdetachpending),
    (select string_agg(srrelid::text, ',' order by srrelid) from pg_catalog.pg_subscription_rel),
    -- settings of the server that change how values are written
    (
      select string_agg(current_setting(name), ',' order by name)
      from unnest(array[
        'TimeZone', 'DateStyle', 'IntervalStyle', 'bytea_output', 'extra_float_digits', 'xmlbinary', 'default_text_search_config',
        'lc_monetary', 'lc_numeric', 'lc_time', 'quote_all_identifiers', 'xmloption', 'transform_null_equals', 'timezone_abbreviations'
      ]) as name
    ),
    (select string_agg(concat_ws(' ', oid, xmin), ',' order by oid) from pg_catalog.pg_event_trigger),
    case when not postern.is_watched() then postern.schema_digest() end
  ));
end
$$;
comment on function postern.digest() is 'Differs whenever something differs that answers depend on and that nothing has written to the outbox.';
