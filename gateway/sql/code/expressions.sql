-- Every parse tree: of views, of policies for reading, of functions with a body that PostgreSQL parsed at creation or that was analysed,
-- and of the defaults of arguments, because a call that omits an argument does not contain its default.
create or replace view postern.expressions as
with expressed (kind, node, tree, expression, is_parsed_in_calls, is_immutable) as (
  select 'relation', rule.ev_class, rule.ev_action::text, pg_get_viewdef(rule.ev_class), false, false
  from pg_catalog.pg_rewrite as rule
  join pg_catalog.pg_class as class on class.oid = rule.ev_class
  where rule.ev_type = '1'
    and class.relkind = 'v'
    and class.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  union all
  select 'policy', policy.oid, policy.polqual::text, pg_get_expr(policy.polqual, policy.polrelid), false, false
  from pg_catalog.pg_policy as policy
  where policy.polcmd in ('r', '*')
    and policy.polqual is not null
  union all
  select
    'function',
    proc.oid,
    concat_ws(' ', body.tree, proc.proargdefaults::text),
    concat_ws(' ', body.expression, pg_get_expr(proc.proargdefaults, 0)),
    analysis.function is not null,
    proc.provolatile = 'i'
  from pg_catalog.pg_proc as proc
  left join postern.known_analyses() as analysis on analysis.function = proc.oid and analysis.tree is not null
  left join lateral (
    select coalesce(proc.prosqlbody::text, analysis.tree), coalesce(pg_get_function_sqlbody(proc.oid), analysis.expression)
    -- The declaration replaces the body.
    where not exists (select from postern.cacheable_functions as declared where declared.function = proc.oid)
  ) as body (tree, expression) on true
  where (proc.pronamespace <> 'pg_catalog'::regnamespace or proc.oid >= 16384)
    and coalesce(body.tree, proc.proargdefaults::text) is not null
)
select
  expressed.kind,
  expressed.node,
  expressed.tree,
  -- A quoted name may look like a call.
  case
    when position('"' in expressed.expression) = 0 then expressed.expression
    else (
      select string_agg(case when part[1] like '"%' then '_' else part[1] end, '' order by position)
      from regexp_matches(expressed.expression, $$'(?:[^']|'')*'|"(?:[^"]|"")*"|[^'"]+$$, 'g') with ordinality as found (part, position)
    )
  end as expression,
  expressed.is_parsed_in_calls,
  expressed.is_immutable
from expressed;
comment on view postern.expressions is 'The parse trees that postern.catalog looks into.';
