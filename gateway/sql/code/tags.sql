-- The grammar of tags. gateway/test/vectors/tags.json holds examples that SQL and TypeScript are both tested against.
--
--   api.notes             some row of the table changed
--   api.notes(5)          the row with the primary key 5 was updated, inserted or deleted
--   api.links(7,9)        the same for a key of two columns, in the order of the key
--   api.notes(*)          any row may have changed: a truncation, or more rows than tags name one by one
--   catalog               anything may have changed: the schema, a policy or a grant did
--
-- A name or key value of A-Z a-z 0-9 _ - stands as it is. Any other stands in double quotes, and double quotes in it are
-- doubled. So two things never share a tag: "*", the empty text, dots, commas and parentheses are always quoted.
-- A partition or inheritance child has the tag of its root. A key value is the text that a filter `eq` would have. Only keys of
-- smallint, integer, bigint, uuid, text and varchar name rows; a table with another key writes (*).

-- Parsed when it is created, so it needs no search_path of its own. PostgreSQL inlines it into the queries that call it for each row.
create or replace function postern.quoted(value text)
returns text
language sql immutable
return case
  when value collate "C" ~ '^[A-Za-z0-9_-]+$' then value
  else '"' || replace(value, '"', '""') || '"'
end;
comment on function postern.quoted(text) is 'A name or a key value as part of a tag.';

-- The catalog calls the next four for each relation. They are plpgsql because it keeps their plans: planning them each time took
-- most of the catalog's time.

-- More than one root is the result of multiple inheritance.
create or replace function postern.roots_of(relation oid)
returns oid[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = relation) then
    return array[relation];
  end if;
  return (
    with recursive ancestors (oid) as (
      select relation
      union
      select pg_inherits.inhparent
      from ancestors
      join pg_catalog.pg_inherits on pg_inherits.inhrelid = ancestors.oid
    )
    select array_agg(ancestors.oid order by ancestors.oid)
    from ancestors
    where not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = ancestors.oid)
  );
end
$$;
comment on function postern.roots_of(oid) is 'The relations at the top of the partition or inheritance tree of a relation.';

-- For all relations at once. A relation that is not here is its own root. Most databases have none here, and then nothing is planned.
create or replace function postern.inherited_roots()
returns table (relation oid, roots oid[])
language plpgsql stable
rows 100
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_catalog.pg_inherits) then
    return;
  end if;
  return query
    with recursive ancestors (relation, ancestor) as (
      select pg_inherits.inhrelid, pg_inherits.inhparent from pg_catalog.pg_inherits
      union
      select ancestors.relation, pg_inherits.inhparent
      from ancestors
      join pg_catalog.pg_inherits on pg_inherits.inhrelid = ancestors.ancestor
    )
    select ancestors.relation, array_agg(ancestors.ancestor order by ancestors.ancestor)
    from ancestors
    where not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = ancestors.ancestor)
    group by ancestors.relation;
end
$$;
comment on function postern.inherited_roots() is 'What postern.roots_of answers for each partition and inheritance child.';

-- The tag of each table and materialized view is that of its root.
create or replace view postern.relation_tags as
select
  class.oid as relation,
  schema.nspname as schema,
  class.relname as name,
  root.oid as root,
  postern.quoted(root_schema.nspname::text) || '.' || postern.quoted(root.relname::text) as tag
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
left join postern.inherited_roots() on inherited_roots.relation = class.oid
join pg_catalog.pg_class as root on root.oid = coalesce(inherited_roots.roots[1], class.oid)
join pg_catalog.pg_namespace as root_schema on root_schema.oid = root.relnamespace
where class.relkind in ('r', 'p', 'm') and class.oid >= 16384;
comment on view postern.relation_tags is 'The root and the tag of each table and materialized view.';

create or replace function postern.tag_of(relation oid)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select postern.quoted(schema.nspname::text) || '.' || postern.quoted(class.relname::text)
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
    where class.oid = (postern.roots_of(relation))[1]
  );
end
$$;
comment on function postern.tag_of(oid) is 'The tag of a relation: that of its root, by the names that the caller''s snapshot shows.';

-- columns: null where tags cannot name rows, because two texts of a type of the key are equal. A table without a primary key is not here.
-- expression: makes the key of a row, named this, as tags write it. The columns in it are qualified because a column may have the name
-- of a plpgsql variable.
create or replace view postern.row_keys as
select
  key_column.root,
  case when bool_and(key_column.is_nameable) then array_agg(key_column.name order by key_column.position) end as columns,
  case
    when not bool_and(key_column.is_nameable) then quote_literal('*')
    -- A long key would make a long tag, so it counts as any row.
    when bool_or(key_column.is_text) then format(
      'case when %s then %L else %s end',
      string_agg(format('octet_length(this.%I) > 200', key_column.name), ' or ' order by key_column.position) filter (where key_column.is_text),
      '*',
      string_agg(key_column.value, $s$ || ',' || $s$ order by key_column.position)
    )
    else string_agg(key_column.value, $s$ || ',' || $s$ order by key_column.position)
  end as expression
from (
  select
    index.indrelid as root,
    attribute.attname::text as name,
    key.position,
    attribute.atttypid in ('pg_catalog.text'::regtype, 'pg_catalog.varchar'::regtype) as is_text,
    attribute.atttypid in (
      'pg_catalog.int2'::regtype, 'pg_catalog.int4'::regtype, 'pg_catalog.int8'::regtype, 'pg_catalog.uuid'::regtype,
      'pg_catalog.text'::regtype, 'pg_catalog.varchar'::regtype
    )
    -- A collation that is not deterministic makes two different texts equal.
    and not exists (
      select from pg_catalog.pg_collation
      where pg_collation.oid = attribute.attcollation and not pg_collation.collisdeterministic
    ) as is_nameable,
    case
      when attribute.atttypid in ('pg_catalog.text'::regtype, 'pg_catalog.varchar'::regtype) then format('postern.quoted(this.%I)', attribute.attname)
      -- Not a cast: a user may have defined one.
      else format('textin(%s(this.%I))', output.typoutput, attribute.attname)
    end as value
  from pg_catalog.pg_index as index
  cross join unnest(index.indkey::int2[]) with ordinality as key (attnum, position)
  -- offset 0: each by the index. A join would read all columns of the database.
  cross join lateral (
    select column_of.attname, column_of.atttypid, column_of.attcollation
    from pg_catalog.pg_attribute as column_of
    where column_of.attrelid = index.indrelid and column_of.attnum = key.attnum
    offset 0
  ) as attribute
  join pg_catalog.pg_type as output on output.oid = attribute.atttypid
  where index.indrelid >= 16384
    and index.indisprimary
    and index.indisvalid
    and key.position <= index.indnkeyatts
) as key_column
group by key_column.root;
comment on view postern.row_keys is 'The columns that name a row of a table in tags, and the SQL expression that makes the key.';

create or replace function postern.row_key_of(root oid)
returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select keys.columns from postern.row_keys as keys where keys.root = row_key_of.root);
end
$$;
comment on function postern.row_key_of(oid) is 'The columns that name a row in tags, or null.';

create or replace function postern.key_expression(root oid)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Otherwise a session's own setting would choose another function.
set quote_all_identifiers = off
as $$
begin
  return coalesce((select keys.expression from postern.row_keys as keys where keys.root = key_expression.root), quote_literal('*'));
end
$$;
comment on function postern.key_expression(oid) is 'The SQL expression that makes the key of a row, named this, as tags write it.';
