-- trees_read_where_needed: functions hand each other the names of parse trees, and no longer the trees.

do $migration$
begin
  if not postern.begin_migration('postern', 7, 'trees_read_where_needed') then
    return;
  end if;

  -- What it returns changes, which "create or replace" cannot do. cascade: the functions that take what it returns, which are made again.
  drop function if exists postern.known_analyses() cascade;
  -- Functions now, which plan what most databases have nothing of only where there is something.
  drop view if exists postern.relation_facts, postern.type_functions, postern.inherited_roots;
end
$migration$;
