-- answer_dependences: the catalog is made in steps, and each step gives back the memory that it was planned and run in.

do $migration$
begin
  if not postern.begin_migration('postern', 8, 'answer_dependences') then
    return;
  end if;

  create type postern.answer_dependence as (
    is_relation boolean, root oid, dependence json, is_cacheable boolean, reads_itself boolean
  );
  comment on type postern.answer_dependence is 'What postern.answer_dependences() returns.';

  -- Their arguments change, which "create or replace" cannot do.
  drop view if exists postern.relation_facts;
  drop function if exists
    postern.function_facts(postern.analyses[], oid[], oid[]),
    postern.setting_reads(text, text, text[], oid[]),
    postern.reads_clock(text, text, oid[], boolean);
end
$migration$;
