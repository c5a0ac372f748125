-- A digest of all that postern.catalog reads. Every change of a system catalog leaves a new version of a row.

create or replace function postern.catalog_version()
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select md5(string_agg(part.version, ' ' order by part.name))
  from (
    -- TRUNCATE and REFRESH leave new row versions in pg_class, too, so the row version is used only without event triggers. With them,
    -- telling two states apart is enough, but no event tells of REASSIGN OWNED: the row version of the owner shows it, there and back.
    select 'class', md5(string_agg(
      concat_ws(' ', class.oid, case
        when schema.is_watched then (
          class.relname, relnamespace, relowner, relkind, relpersistence, relrowsecurity, relforcerowsecurity, relispopulated, relispartition,
          relhasrules, relhastriggers, relreplident, relam, reloftype, relacl, reloptions, relpartbound, owner.xmin
        )::text
        else class.xmin::text
      end),
      ',' order by class.oid
    ))
    from pg_catalog.pg_class as class
    cross join (select postern.is_watched()) as schema (is_watched)
    left join pg_catalog.pg_shdepend as owner
      on owner.dbid = (select pg_database.oid from pg_catalog.pg_database where datname = current_database())
      and owner.classid = 'pg_catalog.pg_class'::regclass
      and owner.objid = class.oid
      and owner.objsubid = 0
      and owner.deptype = 'o'
    where relpersistence <> 't' and class.oid >= 16384
    union all
    -- The default of a virtual generated column is its value.
    select 'default', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_attrdef
    union all
    select 'attribute', md5(string_agg(concat_ws(' ', attrelid, attnum, pg_attribute.xmin), ',' order by attrelid, attnum))
    from pg_catalog.pg_attribute join pg_catalog.pg_class on pg_class.oid = attrelid and relpersistence <> 't' where attrelid >= 16384
    union all
    select 'inherits', md5(string_agg(concat_ws(' ', inhrelid, inhparent, xmin), ',' order by inhrelid, inhparent)) from pg_catalog.pg_inherits
    union all
    select 'constraint', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_constraint where oid >= 16384
    union all
    select 'trigger', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_trigger
    union all
    select 'rewrite', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_rewrite where oid >= 16384
    union all
    select 'policy', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_policy
    union all
    select 'proc', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_proc
    union all
    select 'type', md5(string_agg(concat_ws(' ', pg_type.oid, pg_type.xmin), ',' order by pg_type.oid))
    from pg_catalog.pg_type left join pg_catalog.pg_class on pg_class.oid = typrelid where pg_type.oid >= 16384 and typtype <> 'c' and typelem = 0
    union all
    select 'enum', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_enum
    union all
    select 'cast', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_cast where oid >= 16384
    union all
    select 'operator', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_operator where oid >= 16384
    union all
    select 'namespace', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_namespace where nspname !~ '^pg_(toast_)?temp'
    union all
    select 'subscription', md5(string_agg(srrelid::text, ',' order by srrelid)) from pg_catalog.pg_subscription_rel
    union all
    select 'event trigger', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_event_trigger
    union all
    -- the owner of the database is the member of pg_database_owner
    select 'database', datdba::text from pg_catalog.pg_database where datname = current_database()
    union all
    select 'role', md5(string_agg(concat_ws(' ', oid, rolname, rolsuper, rolinherit, rolbypassrls, rolconfig), ',' order by oid)) from pg_catalog.pg_roles
    union all
    select 'member', md5(string_agg(concat_ws(' ', roleid, member, xmin), ',' order by roleid, member, xmin::text)) from pg_catalog.pg_auth_members
    union all
    select 'setting', md5(string_agg(concat_ws(' ', setdatabase, setrole, xmin), ',' order by setdatabase, setrole)) from pg_catalog.pg_db_role_setting
    union all
    -- settings of the server that change how values are written
    select 'format', md5(string_agg(concat_ws(' ', name, current_setting(name)), ',' order by name))
    from unnest(array[
      'TimeZone', 'DateStyle', 'IntervalStyle', 'bytea_output', 'extra_float_digits', 'xmlbinary', 'default_text_search_config',
      'lc_monetary', 'lc_numeric', 'lc_time', 'quote_all_identifiers', 'xmloption', 'transform_null_equals', 'timezone_abbreviations'
    ]) as name
    union all
    select 'text search', md5(string_agg(concat_ws(' ', mapcfg, maptokentype, mapseqno, mapdict, xmin), ',' order by mapcfg, maptokentype, mapseqno))
    from pg_catalog.pg_ts_config_map where mapcfg >= 16384
    union all
    select 'dictionary', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_ts_dict where oid >= 16384
    union all
    select 'tracked', md5(string_agg(concat_ws(' ', relation::oid, max_staleness), ',' order by relation::oid)) from postern.tracked_relations
    union all
    select 'declared', md5(string_agg(concat_ws(' ', function::oid, reads::text, claims::text, definition), ',' order by function::oid)) from postern.cacheable_functions
  ) as part (name, version)
$$;
comment on function postern.catalog_version() is 'Differs whenever what postern.catalog answers may differ.';
