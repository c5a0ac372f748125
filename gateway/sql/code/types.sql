-- What types hide: dates and times inside of them, and functions that are called where their values are read or filtered.

create or replace view postern.type_parts as
select type.oid as type, type.typbasetype as part from pg_catalog.pg_type as type where type.typtype = 'd'
union all
select type.oid, type.typelem from pg_catalog.pg_type as type where type.typelem <> 0
union all
select class.reltype, attribute.atttypid
from pg_catalog.pg_class as class
join pg_catalog.pg_attribute as attribute on attribute.attrelid = class.oid and attribute.attnum > 0
where class.reltype <> 0
union all
select range.rngtypid, range.rngsubtype from pg_catalog.pg_range as range
union all
select range.rngmultitypid, range.rngsubtype from pg_catalog.pg_range as range;
comment on view postern.type_parts is 'What domains, arrays, composites and ranges are made of.';

-- plpgsql, because it keeps the plan.
create or replace function postern.types_with(parts oid[])
returns oid[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    with recursive part as materialized (
      select type_parts.type, type_parts.part from postern.type_parts
    ),
    made (type) as (
      select unnest(parts)
      union
      select part.type
      from made
      join part on part.part = made.type
    )
    select made.type from made
  );
end
$$;
comment on function postern.types_with(oid[]) is 'These types, and those that contain one of them.';

create or replace function postern.timed_types()
returns oid[]
language sql stable
set search_path = pg_catalog, pg_temp
return postern.types_with(
  array['pg_catalog.date', 'pg_catalog.time', 'pg_catalog.timestamp', 'pg_catalog.timestamptz', 'pg_catalog.timetz']::regtype[]::oid[]
);
comment on function postern.timed_types() is 'Types that contain a date or time, so that the text ''now'' reads the clock.';

-- plpgsql, because it keeps the plan. Most databases have no such type, and then one search tells.
create or replace function postern.zoned_types()
returns oid[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  own constant oid[] := array['pg_catalog.timetz', 'pg_catalog.timetz[]']::regtype[];
begin
  if not exists (select from postern.type_parts where type_parts.part = any (own) and type_parts.type <> all (own)) then
    return '{}';
  end if;
  return array(select zoned.type from unnest(postern.types_with(own)) as zoned (type) where zoned.type >= 16384);
end
$$;
comment on function postern.zoned_types() is
'User-defined types that contain a time with time zone: a text is read with today''s offset of the zone.';

-- Reading or filtering a value of a type calls functions that no query names: to_json looks for a cast to json, PostgREST for casts
-- of a domain from and to json and text, and a filter may use a user-defined operator. Immutable functions in C of an extension are
-- trusted, so they are left out.
-- plpgsql, because it keeps the plan. Most databases have no such function, and then four searches tell, and nothing else is planned.
create or replace function postern.type_functions()
returns table (type oid, function oid)
language plpgsql stable
rows 10
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select from pg_catalog.pg_cast where pg_cast.oid >= 16384
    union all
    select from pg_catalog.pg_operator where pg_operator.oid >= 16384
    union all
    select from pg_catalog.pg_amop where pg_amop.oid >= 16384
    union all
    select from pg_catalog.pg_amproc where pg_amproc.oid >= 16384
  ) then
    return;
  end if;
  return query
  with recursive ordering as (
    -- Other indexes are searched by their operators, which PostgREST has to name.
    select family.oid
    from pg_catalog.pg_opfamily as family
    join pg_catalog.pg_am as method on method.oid = family.opfmethod
    where method.amname in ('btree', 'hash')
  ),
  user_defined (type, function) as (
    select side.type, pg_cast.castfunc::oid
    from pg_catalog.pg_cast
    cross join lateral (
      values (pg_cast.castsource, pg_cast.casttarget), (pg_cast.casttarget, pg_cast.castsource)
    ) as side (type, other)
    where pg_cast.oid >= 16384
      and side.other in ('pg_catalog.json'::regtype, 'pg_catalog.jsonb'::regtype, 'pg_catalog.text'::regtype)
    union
    select side.type, operator.oprcode::oid
    from pg_catalog.pg_operator as operator
    cross join lateral (values (operator.oprleft), (operator.oprright)) as side (type)
    where operator.oid >= 16384
      -- the operators that PostgREST writes
      and operator.oprname in (
        '=', '<>', '<', '<=', '>', '>=', '~', '~*', '~~', '~~*', '@@', '@>', '<@', '&&', '<<', '>>', '&<', '&>', '-|-'
      )
    union
    -- the operators that compare arrays, rows and ranges of the type
    select side.type, operator.oprcode::oid
    from pg_catalog.pg_amop as member
    join ordering on ordering.oid = member.amopfamily
    join pg_catalog.pg_operator as operator on operator.oid = member.amopopr
    cross join lateral (values (member.amoplefttype), (member.amoprighttype)) as side (type)
    where member.oid >= 16384
    union
    -- the functions that sort and group values
    select side.type, support.amproc::oid
    from pg_catalog.pg_amproc as support
    join ordering on ordering.oid = support.amprocfamily
    cross join lateral (values (support.amproclefttype), (support.amprocrighttype)) as side (type)
    where support.oid >= 16384
  ),
  called (type, function) as (
    select user_defined.type, user_defined.function
    from user_defined
    join pg_catalog.pg_proc as proc on proc.oid = user_defined.function
    join pg_catalog.pg_language as language on language.oid = proc.prolang
    where proc.provolatile <> 'i'
      or language.lanname not in ('internal', 'c')
    union
    select type_parts.type, called.function
    from called
    join postern.type_parts on type_parts.part = called.type
  )
  select called.type, called.function from called;
end
$$;
comment on function postern.type_functions() is 'The functions that are called where a value of a type is read or filtered, and that no query names.';
