-- catalog_as_json: postern.catalog returns json: a jsonb of all tables takes time to make, and nobody reads it as one.

do $migration$
begin
  if not postern.begin_migration('postern', 5, 'catalog_as_json') then
    return;
  end if;

  -- "create or replace" cannot change what a function returns.
  drop function if exists postern.catalog(text[], text, text);
end
$migration$;
