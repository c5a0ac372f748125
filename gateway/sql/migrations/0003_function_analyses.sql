-- What was found in the bodies of functions that are text, and for which search paths.

do $migration$
begin
  if not postern.begin_migration('postern', 3, 'function_analyses') then
    return;
  end if;

  -- "create or replace" cannot take defaults away.
  drop function if exists postern.declare_cacheable(regprocedure, regclass[], text[]), postern.catalog(text[], text),
    postern.setting_readers(), postern.claims_in(text), postern.reasons_in(text, text, oid[]);
  -- Not regprocedure: a row may outlive its function.
  create table postern.function_analyses (
    function    oid primary key,
    definition  text not null,
    words       text[] not null,
    environment text not null,
    paths       text[] not null,
    tree        text,
    expression  text,
    reason      text,
    constraint there_is_a_body_or_a_reason check ((tree is null) = (reason is not null))
  );
  create table postern.plpgsql_translations (
    function    oid primary key,
    definition  text not null,
    variables   text,
    statements  text[],
    reason      text,
    constraint there_are_statements_or_a_reason check ((statements is null) = (reason is not null))
  );
  create table postern.request_schemas (
    schema            text primary key,
    extra_search_path text[] not null
  );

  comment on table postern.function_analyses is
  'Bodies of functions in SQL and PL/pgSQL that are text, as PostgreSQL parses them. A row counts while definition, environment and search paths are those of now. Written by postern.analyze_functions.';
  comment on table postern.plpgsql_translations is
  'The statements and expressions of functions in PL/pgSQL, with the variables as a list of arguments. Written by `postern analyze`, which has a parser.';
  comment on table postern.request_schemas is
  'The schemas that PostgREST exposes, and the search path that it adds, where postern.analyze_functions was told. Else they are guessed.';
end
$migration$;
