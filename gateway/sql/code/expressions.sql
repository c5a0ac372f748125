-- Every parse tree: of views, of policies for reading, of functions with a body that PostgreSQL parsed at creation or that was analysed,
-- and of the defaults of arguments, because a call that omits an argument does not contain its default.

create or replace function postern.printed(kind text, node oid)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  expression text;
begin
  -- One statement for each kind: what a statement does not need is made ready all the same.
  case kind
    when 'relation' then
      expression := pg_get_viewdef(node);
    when 'policy' then
      expression := (select pg_get_expr(polqual, polrelid) from pg_catalog.pg_policy where pg_policy.oid = node);
    else
      expression := (
        select concat_ws(
          ' ',
          -- A declaration replaces the body.
          case when not exists (select from postern.cacheable_functions as declared where declared.function = node) then
            coalesce(
              pg_get_function_sqlbody(node),
              (select analysis.expression from postern.function_analyses as analysis where analysis.function = node)
            )
          end,
          pg_get_expr(proargdefaults, 0)
        )
        from pg_catalog.pg_proc
        where pg_proc.oid = node
      );
  end case;
  -- A quoted name may look like a call.
  if position('"' in expression) > 0 then
    expression := (
      select string_agg(case when part[1] like '"%' then '_' else part[1] end, '' order by position)
      from regexp_matches(expression, $re$'(?:[^']|'')*'|"(?:[^"]|"")*"|[^'"]+$re$, 'g') with ordinality as found (part, position)
    );
  end if;
  return expression;
end
$$;
comment on function postern.printed(text, oid) is 'The SQL of a view, policy or function with a parse tree, with _ in place of each quoted name.';

-- A tree is read where it is looked into, and handed on nowhere: all trees of a large schema are megabytes, and a copy takes longer than a
-- search.
create or replace function postern.tree_of(kind text, node oid, is_parsed_in_calls boolean)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- As in printed.
  case kind
    when 'relation' then
      return (select ev_action::text from pg_catalog.pg_rewrite where ev_class = node and ev_type = '1');
    when 'policy' then
      return (select polqual::text from pg_catalog.pg_policy where pg_policy.oid = node);
    else
      return (
        select concat_ws(
          ' ',
          -- A declaration replaces the body.
          case when not exists (select from postern.cacheable_functions as declared where declared.function = node) then
            coalesce(
              prosqlbody::text,
              case when is_parsed_in_calls then (select analysis.tree from postern.function_analyses as analysis where analysis.function = node) end
            )
          end,
          proargdefaults::text
        )
        from pg_catalog.pg_proc
        where pg_proc.oid = node
      );
  end case;
end
$$;
comment on function postern.tree_of(text, oid, boolean) is 'The parse tree of a view, policy or function, as pg_node_tree has it.';

create or replace function postern.find_expressions(analyses postern.analyses[])
returns table (kind text, nodes oid[], is_parsed_in_calls boolean, is_immutable boolean)
language sql stable
begin atomic
  select 'relation', array[rule.ev_class], false, false
  from pg_catalog.pg_rewrite as rule
  join pg_catalog.pg_class as class on class.oid = rule.ev_class
  where rule.ev_type = '1'
    and class.relkind = 'v'
    and class.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'postern'::regnamespace)
  union all
  -- Many policies are alike, and what is found in a tree is the same for all of them.
  select 'policy', array_agg(policy.oid), false, false
  from pg_catalog.pg_policy as policy
  where policy.polcmd in ('r', '*')
    and policy.polqual is not null
  group by case
    -- Up to PostgreSQL 16, a tree has the places of its nodes in the statement, by which policies that are alike would differ.
    when current_setting('server_version_num')::integer < 170000 then regexp_replace(policy.polqual::text, ':location \d+', ':location -1', 'g')
    else policy.polqual::text
  end
  union all
  select 'function', array[proc.oid], analysis.function is not null, proc.provolatile = 'i'
  from pg_catalog.pg_proc as proc
  left join unnest(analyses) as analysis on analysis.function = proc.oid and analysis.is_understood
  where (proc.pronamespace <> 'pg_catalog'::regnamespace or proc.oid >= 16384)
    and proc.pronamespace <> 'postern'::regnamespace
    and (proc.prosqlbody is not null or analysis.function is not null or proc.proargdefaults is not null);
end;
comment on function postern.find_expressions(postern.analyses[]) is
'What has a parse tree that postern.catalog looks into. Nodes whose trees differ in no more than the names of columns are together.';

create or replace view postern.expressions as
select found.kind, found.nodes, found.is_parsed_in_calls, found.is_immutable
from postern.find_expressions(array(select known from postern.analyses as known)) as found;
comment on view postern.expressions is
'What postern.find_expressions() returns, as a type: what needs it takes an array, because several functions of one call need it.';
