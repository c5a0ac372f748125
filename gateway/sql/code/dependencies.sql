-- What views, policies and functions read and call, found in their parse trees. pg_depend would not do: it leaves out built-in functions.

create or replace function postern.dependencies(analyses postern.analyses[])
returns table (kind text, node oid, to_kind text, to_node oid)
language sql stable
begin atomic
  with unnamed as materialized (
    select type_functions.type, type_functions.function from postern.type_functions
  ),
  expressions as materialized (
    select expressions.kind, expressions.node, expressions.tree from postern.expressions(analyses)
  ),
  -- Many policies are alike.
  alike as materialized (
    select
      row_number() over () as number,
      expressions.tree,
      array_agg(expressions.kind order by expressions.node) as kinds,
      array_agg(expressions.node order by expressions.node) as nodes
    from expressions
    group by expressions.tree
  ),
  named (number, to_kind, to_node) as materialized (
    select distinct
      alike.number,
      case found.parts[1] when 'relid' then 'relation' else 'function' end,
      case when found.parts[1] in ('opno', 'opnos', 'eqop', 'sortop') then operator.oprcode::oid else one.oid::oid end
    from alike
    -- One pass over the tree: most of the time goes into reading it.
    cross join regexp_matches(
      alike.tree,
      ':(funcid|opfuncid|aggfnoid|winfnoid|startInRangeFunc|endInRangeFunc|opno|opnos|eqop|sortop|relid) (?:\(o )?([1-9][\d ]*)',
      'g'
    ) as found (parts)
    cross join string_to_table(rtrim(found.parts[2]), ' ') as one (oid)
    left join pg_catalog.pg_operator as operator on operator.oid = one.oid::oid and found.parts[1] in ('opno', 'opnos', 'eqop', 'sortop')
    where found.parts[1] in ('opno', 'opnos', 'eqop', 'sortop', 'relid')
      -- current_setting is judged by its argument: see setting_reads. So are functions that return all claims.
      or not (found.parts[1] = 'funcid' and one.oid in ('2077', '3294'))
        and one.oid::oid not in (select claim_functions.function from postern.claim_functions(analyses))
  ),
  edges (kind, node, to_kind, to_node) as (
    select expression.kind, expression.node, named.to_kind, named.to_node
    from named
    join alike on alike.number = named.number
    cross join unnest(alike.kinds, alike.nodes) as expression (kind, node)
    -- Up to PostgreSQL 15, the rule of a view names the view itself.
    where (expression.kind, expression.node) is distinct from (named.to_kind, named.to_node)
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
    from expressions
    cross join regexp_matches(expressions.tree, ':\w*type\w* ([1-9]\d*)', 'gi') as found
    join unnamed on unnamed.type = found[1]::oid
    -- Evaluated once. Most databases have no such function, and then this search is skipped.
    where exists (select from unnamed)
    union
    -- What a body returns is cast to the type that the function returns.
    select 'function', proc.oid, 'function', pg_cast.castfunc
    from pg_catalog.pg_cast
    join pg_catalog.pg_proc as proc on proc.oid >= 16384
      and (pg_cast.casttarget = proc.prorettype or pg_cast.casttarget = any (proc.proallargtypes))
    where pg_cast.oid >= 16384
      and pg_cast.castcontext <> 'e'
      and pg_cast.castfunc <> 0
    union
    -- PL/pgSQL casts what it assigns to a variable.
    select expressions.kind, expressions.node, 'function', pg_cast.castfunc
    from expressions
    cross join regexp_matches(expressions.tree, ':paramtype ([1-9]\d*)', 'g') as found
    join pg_catalog.pg_cast on pg_cast.casttarget = found[1]::oid
    where expressions.kind = 'function'
      and pg_cast.oid >= 16384
      and pg_cast.castcontext <> 'e'
      and pg_cast.castfunc <> 0
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
end;
comment on function postern.dependencies(postern.analyses[]) is 'What views, policies and functions read and call directly.';
