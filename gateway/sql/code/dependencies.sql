-- What views, policies and functions read and call, found in their parse trees. pg_depend would not do: it leaves out built-in functions.

-- Every parse tree: of views, of policies for reading, of functions with a body that PostgreSQL parsed at creation, and of the defaults
-- of arguments, because a call that omits an argument does not contain its default.
create or replace view postern.expressions as
with expressed (kind, node, tree, expression) as (
  select 'relation', rule.ev_class, rule.ev_action::text, pg_get_viewdef(rule.ev_class)
  from pg_catalog.pg_rewrite as rule
  join pg_catalog.pg_class as class on class.oid = rule.ev_class
  where rule.ev_type = '1'
    and class.relkind = 'v'
    and class.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  union all
  select 'policy', policy.oid, policy.polqual::text, pg_get_expr(policy.polqual, policy.polrelid)
  from pg_catalog.pg_policy as policy
  where policy.polcmd in ('r', '*')
    and policy.polqual is not null
  union all
  select
    'function',
    proc.oid,
    concat_ws(' ', body.tree, proc.proargdefaults::text),
    concat_ws(' ', body.expression, pg_get_expr(proc.proargdefaults, 0))
  from pg_catalog.pg_proc as proc
  left join lateral (
    select proc.prosqlbody::text, pg_get_function_sqlbody(proc.oid)
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
  regexp_replace(expressed.expression, $$('(?:[^']|'')*')|"(?:[^"]|"")*"$$, '\1', 'g') as expression
from expressed;
comment on view postern.expressions is 'The parse trees that postern.catalog looks into.';

create or replace view postern.dependencies as
with unnamed as materialized (
  select type_functions.type, type_functions.function from postern.type_functions
),
called as (
  select expressions.kind, expressions.node, found[1]::oid as function
  from postern.expressions
  cross join regexp_matches(
    expressions.tree,
    -- current_setting is judged by its argument: see reasons_in.
    ':(?:funcid (?!(?:2077|3294) )|(?:opfuncid|aggfnoid|winfnoid|startInRangeFunc|endInRangeFunc) )([1-9]\d*)',
    'g'
  ) as found
  union
  select expressions.kind, expressions.node, operator.oprcode::oid
  from postern.expressions
  cross join regexp_matches(expressions.tree, ':(?:opno|opnos|eqop|sortop) (?:\(o )?([1-9][\d ]*)', 'g') as found
  cross join regexp_split_to_table(rtrim(found[1]), ' ') as named
  join pg_catalog.pg_operator as operator on operator.oid = named::oid
),
edges (kind, node, to_kind, to_node) as (
  select called.kind, called.node, 'function', called.function
  from called
  union
  select expressions.kind, expressions.node, 'relation', found[1]::oid
  from postern.expressions
  cross join regexp_matches(expressions.tree, ':relid ([1-9]\d*)', 'g') as found
  -- Up to PostgreSQL 15, the rule of a view names the view itself.
  where (expressions.kind, expressions.node) is distinct from ('relation', found[1]::oid)
  union
  select 'relation', policy.polrelid, 'policy', policy.oid
  from pg_catalog.pg_policy as policy
  join pg_catalog.pg_class as class on class.oid = policy.polrelid
  where class.relrowsecurity
    and policy.polcmd in ('r', '*')
  union
  select 'relation', attribute.attrelid, 'function', unnamed.function
  from unnamed
  join pg_catalog.pg_attribute as attribute on attribute.atttypid = unnamed.type and attribute.attnum > 0
  union
  select 'function', proc.oid, 'function', unnamed.function
  from unnamed
  join pg_catalog.pg_proc as proc on unnamed.type = proc.prorettype or unnamed.type = any (proc.proallargtypes)
  union
  select expressions.kind, expressions.node, 'function', unnamed.function
  from postern.expressions
  cross join regexp_matches(expressions.tree, ':\w*type\w* ([1-9]\d*)', 'gi') as found
  join unnamed on unnamed.type = found[1]::oid
  -- Evaluated once. Most databases have no such function, and then this search is skipped.
  where exists (select from unnamed)
  union
  select 'function', declared.function::oid, 'relation', read::oid
  from postern.cacheable_functions as declared
  cross join unnest(declared.reads) as read
  union
  select 'function', aggregate.aggfnoid::oid, 'function', part.function
  from pg_catalog.pg_aggregate as aggregate
  cross join lateral (
    values
      (aggregate.aggtransfn::oid), (aggregate.aggfinalfn::oid),
      (aggregate.aggcombinefn::oid), (aggregate.aggserialfn::oid), (aggregate.aggdeserialfn::oid),
      (aggregate.aggmtransfn::oid), (aggregate.aggminvtransfn::oid), (aggregate.aggmfinalfn::oid)
  ) as part (function)
  where aggregate.aggfnoid::oid >= 16384
    and part.function <> 0
)
select edges.kind, edges.node, edges.to_kind, edges.to_node
from edges;
comment on view postern.dependencies is 'What views, policies and functions read and call directly.';
