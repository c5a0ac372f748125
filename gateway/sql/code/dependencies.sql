-- What views, policies and functions read and call, found in their parse trees. pg_depend would not do: it leaves out built-in functions.

-- claim_functions: the functions that return all claims.
create or replace function postern.dependencies(expressions postern.expressions[], claim_functions oid[])
returns table (kind text, node oid, to_kind text, to_node oid)
-- plpgsql, because it keeps the plan; and because of the query alone PostgreSQL would expect a thousand times as many rows, and make
-- hash tables for them.
language plpgsql stable
rows 5000
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with unnamed as materialized (
    select type_functions.type, type_functions.function from postern.type_functions()
  ),
  expression as materialized (
    select one.number, one.kind, one.nodes, one.is_parsed_in_calls
    from unnest(expressions) with ordinality as one (kind, nodes, is_parsed_in_calls, is_immutable, number)
  ),
  named (number, to_kind, to_node) as materialized (
    select distinct
      expression.number,
      case written.words[1] when ':relid' then 'relation' else 'function' end,
      case when written.words[1] in (':opno', ':opnos', ':eqop', ':sortop') then operator.oprcode::oid else one.oid::oid end
    from expression
    -- One pass over the tree: most of the time goes into reading it. Groups that capture would take twice as long.
    cross join regexp_matches(
      postern.tree_of(expression.kind, expression.nodes[1], expression.is_parsed_in_calls),
      ':(?:funcid|opfuncid|aggfnoid|winfnoid|startInRangeFunc|endInRangeFunc|opno|opnos|eqop|sortop|relid) (?:\(o )?[1-9][\d ]*',
      'g'
    ) as found (match)
    -- such as {:opnos,96,97}
    cross join lateral (select string_to_array(rtrim(replace(found.match[1], '(o ', '')), ' ') as words) as written
    cross join unnest(written.words[2:]) as one (oid)
    left join pg_catalog.pg_operator as operator on operator.oid = one.oid::oid and written.words[1] in (':opno', ':opnos', ':eqop', ':sortop')
    where written.words[1] in (':opno', ':opnos', ':eqop', ':sortop', ':relid')
      -- current_setting is judged by its argument: see setting_reads. So are functions that return all claims.
      or not (written.words[1] = ':funcid' and one.oid in ('2077', '3294'))
        and one.oid::oid <> all (claim_functions)
  ),
  edges (kind, node, to_kind, to_node) as (
    select expression.kind, one.node, named.to_kind, named.to_node
    from named
    join expression on expression.number = named.number
    cross join unnest(expression.nodes) as one (node)
    -- Up to PostgreSQL 15, the rule of a view names the view itself.
    where (expression.kind, one.node) is distinct from (named.to_kind, named.to_node)
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
    -- Evaluated once. Most databases have no such function, and then this search is skipped.
    where exists (select from unnamed)
    union
    select expression.kind, one.node, 'function', unnamed.function
    from expression
    cross join regexp_matches(
      postern.tree_of(expression.kind, expression.nodes[1], expression.is_parsed_in_calls), ':\w*type\w* ([1-9]\d*)', 'gi'
    ) as typed (parts)
    cross join unnest(expression.nodes) as one (node)
    join unnamed on unnamed.type = typed.parts[1]::oid
    -- As above.
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
    select 'function', one.node, 'function', pg_cast.castfunc
    from expression
    cross join regexp_matches(
      postern.tree_of(expression.kind, expression.nodes[1], expression.is_parsed_in_calls), ':paramtype ([1-9]\d*)', 'g'
    ) as parameter (parts)
    cross join unnest(expression.nodes) as one (node)
    join pg_catalog.pg_cast on pg_cast.casttarget = parameter.parts[1]::oid
    where expression.kind = 'function'
      and pg_cast.oid >= 16384
      and pg_cast.castcontext <> 'e'
      and pg_cast.castfunc <> 0
      -- As above: most databases have no such cast.
      and exists (select from pg_catalog.pg_cast as one_cast where one_cast.oid >= 16384 and one_cast.castcontext <> 'e' and one_cast.castfunc <> 0)
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
end
$$;
comment on function postern.dependencies(postern.expressions[], oid[]) is 'What views, policies and functions read and call directly.';
