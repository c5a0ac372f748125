-- types_as_functions: what types hide is found out once for each call of postern.catalog. A view was planned and run wherever it was named.

do $migration$
begin
  if not postern.begin_migration('postern', 6, 'types_as_functions') then
    return;
  end if;

  -- In a new database there are none.
  drop function if exists postern.function_facts(postern.analyses[]);
  drop view if exists postern.relation_facts, postern.timed_types, postern.zoned_types;
end
$migration$;
