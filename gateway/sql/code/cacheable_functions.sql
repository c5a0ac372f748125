-- Functions whose results the operator declares to be cacheable, because SQL cannot tell what they read.

create or replace function postern.definition_of(function oid)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select md5(concat_ws(' ', prosrc, probin, pg_get_function_sqlbody(oid), prosecdef, provolatile, prolang, proconfig))
  from pg_catalog.pg_proc
  where pg_proc.oid = function
$$;
comment on function postern.definition_of(oid) is 'Differs when the behaviour of a function may differ.';

create or replace function postern.declare_cacheable(function regprocedure, reads regclass[] default '{}', claims text[] default '{}')
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  proc pg_catalog.pg_proc;
  unstable text[] := array(select unnest(claims) intersect values ('exp'), ('iat'), ('nbf'), ('jti'));
begin
  select * into proc from pg_catalog.pg_proc where pg_proc.oid = function;
  if proc.provolatile = 'v' then
    raise exception '% is volatile', function
      using errcode = 'invalid_parameter_value', hint = 'If it only reads, say so first: alter function ... stable.';
  elsif proc.pronamespace = 'pg_catalog'::regnamespace then
    raise exception '% belongs to PostgreSQL', function
      using errcode = 'invalid_parameter_value', hint = 'Call it in a function of your own, and declare that one.';
  elsif cardinality(unstable) > 0 then
    raise exception 'these claims differ from token to token: %', array_to_string(unstable, ', ')
      using errcode = 'invalid_parameter_value', hint = 'An answer that depends on them cannot be shared.';
  end if;
  insert into postern.cacheable_functions (function, reads, claims, definition)
  values (function, reads, claims, postern.definition_of(function))
  on conflict on constraint cacheable_functions_pkey do update
  set reads = excluded.reads, claims = excluded.claims, definition = excluded.definition;
  perform postern.flush();
end
$$;
comment on function postern.declare_cacheable(regprocedure, regclass[], text[]) is
'Declares that a function reads its arguments, these relations and these claims of the caller''s token, and nothing else.';

create or replace function postern.undeclare_cacheable(function regprocedure)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from postern.cacheable_functions as declared where declared.function = undeclare_cacheable.function;
  perform postern.flush();
end
$$;
comment on function postern.undeclare_cacheable(regprocedure) is 'Takes a declaration back.';
