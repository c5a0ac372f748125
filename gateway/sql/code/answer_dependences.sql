-- What an answer from each exposed relation and function depends on, and the reason where that is not known.

create or replace function postern.answer_dependences(
  relations oid[], functions oid[], pre_request_functions oid[], schemas text[], request_path text
)
returns setof postern.answer_dependence
-- plpgsql, because it keeps the plan.
language plpgsql stable
rows 1000
set search_path = pg_catalog, pg_temp
as $$
declare
  analyses constant postern.analyses[] := array(select known from postern.analyses as known);
  expressions constant postern.expressions[] := array(select row(found.*)::postern.expressions from postern.find_expressions(analyses) as found);
  timed_types constant oid[] := postern.timed_types();
  zoned_types constant oid[] := postern.zoned_types();
  claim_functions oid[];
  claim_sources text[];
begin
  select coalesce(array_agg(source.function), '{}'), coalesce(array_agg(source.source), '{}')
  into claim_functions, claim_sources
  from postern.claim_functions(analyses) as source;

  return query
  with recursive
  -- A policy counts for every role: memberships change, and a connection's prepared statements keep the policies that they
  -- were planned by. A claim that a role's policies do not read splits its callers needlessly, and gives none another's answer.
  reach (is_relation, root, kind, node, is_root) as (
    select true, relation, 'relation', relation, true from unnest(relations) as relation
    union
    select false, function, 'function', function, true from unnest(functions) as function
    union
    -- No function has the oid 0.
    select false, 0::oid, 'function', function, true from unnest(pre_request_functions) as function
    union
    select reach.is_relation, reach.root, dependency.to_kind, dependency.to_node, false
    from reach
    join postern.dependencies(expressions, claim_functions) as dependency on dependency.kind = reach.kind and dependency.node = reach.node
  ),
  reached as materialized (
    select distinct kind, node from reach
  ),
  expression as materialized (
    select one.kind, one.nodes, one.is_parsed_in_calls, one.is_immutable
    from unnest(expressions) as one
    -- PostgreSQL looks up what stands before "in". A join would compare each expression with each that was reached.
    where (select bool_or((one.kind, member.node) in (select reached.kind, reached.node from reached)) from unnest(one.nodes) as member (node))
  ),
  -- This is what costs most.
  judged as materialized (
    select
      alike.kind,
      alike.nodes,
      setting.claims,
      setting.headers,
      setting.cookies,
      postern.reads_clock(alike.kind, alike.nodes[1], parsed.tree, timed_types, alike.is_parsed_in_calls) as reads_clock,
      array_remove(postern.reasons_in(parsed.tree) || array[
        setting.reason,
        -- PostgreSQL keeps its first result in a prepared statement's plan.
        case when alike.is_immutable
          and (parsed.tree ~ ':relid [1-9]' or setting.claims || setting.headers || setting.cookies <> '{}')
          then 'is marked immutable, and reads tables or settings' end
      ], null) as reasons
    from expression as alike
    -- Expressions that have the same tree differ in the names of columns only, so the first stands for all.
    cross join lateral (
      select postern.tree_of(alike.kind, alike.nodes[1], alike.is_parsed_in_calls) as tree
      offset 0
    ) as parsed
    cross join lateral postern.setting_reads(alike.kind, alike.nodes[1], parsed.tree, claim_sources, claim_functions) as setting
  ),
  fact (kind, node, tag, max_staleness, reads_clock, claims, headers, cookies, reasons) as materialized (
    select
      'relation', relation.node, relation.tag, relation.max_staleness, false,
      '{}'::text[], '{}'::text[], '{}'::text[], array_remove(array[relation.reason], null)
    from postern.relation_facts(array(select reached.node from reached where reached.kind = 'relation'), zoned_types) as relation
    union all
    select
      'function', function.node, null, null, function.reads_clock,
      function.claims, '{}', '{}', array_remove(array[coalesce(declared.reason, function.reason)], null)
    from postern.function_facts(
      array(select reached.node from reached where reached.kind = 'function'), analyses, timed_types, zoned_types
    ) as function
    -- Few databases have functions in another language. What PL/pgSQL reads, `postern analyze` finds out.
    left join lateral (
      select replace(function.reason, query.text, 'if it reads only what this names, run, with names in place of *: ' || statement.text) as reason
      from pg_catalog.pg_proc as proc
      join pg_catalog.pg_language as language on language.oid = proc.prolang and language.lanname not in ('internal', 'c', 'sql', 'plpgsql')
      cross join lateral (
        select format('if it only reads, run what select postern.declaration_of(%L::regprocedure) gives', proc.oid::regprocedure) as text
      ) as query
      cross join lateral postern.named_in_body(proc.oid, expressions, claim_functions, claim_sources) as named
      cross join lateral (select postern.declaration(proc.oid, named.reads, named.claims) as text offset 0) as statement
      where proc.oid = function.node
        and position(query.text in function.reason) > 0
        -- The reason is one header of an answer.
        and length(statement.text) <= 1000
    ) as declared on true
    union all
    select 'function', missing.function, null, null, false, '{}', '{}', '{}', array[missing.reason]
    from postern.missing_paths(analyses, schemas, request_path) as missing
    union all
    select
      judged.kind,
      one.node,
      null,
      null,
      judged.reads_clock,
      judged.claims,
      judged.headers,
      judged.cookies,
      array(
        select case judged.kind
          when 'relation' then one.node::regclass::text
          when 'function' then one.node::regprocedure::text
          else (select format('policy %I on %s', polname, polrelid::regclass) from pg_catalog.pg_policy where pg_policy.oid = one.node)
        end || ' ' || reason
        from unnest(judged.reasons) as reason
      )
    from judged
    cross join unnest(judged.nodes) as one (node)
  )
  select
    reach.is_relation,
    reach.root,
    json_build_object(
      'reads', coalesce(json_agg(distinct fact.tag) filter (where fact.tag is not null), '[]'),
      -- paths of claims: see claims.sql
      'claims', coalesce(json_agg(distinct part.claim) filter (where part.claim is not null), '[]'),
      'headers', coalesce(json_agg(distinct part.header) filter (where part.header is not null), '[]'),
      'cookies', coalesce(json_agg(distinct part.cookie) filter (where part.cookie is not null), '[]'),
      'readsClock', coalesce(bool_or(fact.reads_clock), false),
      'reasons', coalesce(json_agg(distinct part.reason) filter (where part.reason is not null), '[]'),
      'maxStalenessSeconds', extract(epoch from min(fact.max_staleness))
    ),
    count(part.reason) = 0,
    -- A policy may read other rows of the table.
    max(fact.tag) filter (where reach.is_root) = any (array_agg(fact.tag) filter (where not reach.is_root))
  from reach
  left join fact on fact.kind = reach.kind and fact.node = reach.node
  left join lateral unnest(fact.claims, fact.headers, fact.cookies, fact.reasons) as part (claim, header, cookie, reason) on true
  group by reach.is_relation, reach.root;
end
$$;
comment on function postern.answer_dependences(oid[], oid[], oid[], text[], text) is
'What an answer from these depends on. The pre-request functions are together under the root 0. reads_itself: its other dependences have its own tag.';
