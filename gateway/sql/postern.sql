-- The program `postern`: what the gateway needs in every database. Run it as the owner of the tables that are tracked:
--
--   psql "$DATABASE_URL" --single-transaction --set=ON_ERROR_STOP=1 --file=gateway/sql/postern.sql
--
-- `postern migrate` runs the same files, and `postern sql` prints them as one. Every file runs as often as you like: a
-- migration does nothing where it was applied, code replaces what is there. Between the \ir lines stands plain SQL only.

\ir begin.sql
select postern.begin_program('postern', '0.2.0', newest => 8);

-- Event triggers would call functions that are being replaced. ddl_events.sql creates them again; postern_log_* are their names before 0.2.0.
do $$
declare
  name name;
begin
  for name in
    select evtname
    from pg_catalog.pg_event_trigger
    where evtname in (
      'postern_after_ddl', 'postern_after_drop', 'postern_log_start', 'postern_log_ddl', 'postern_log_drop'
    )
  loop
    execute format('drop event trigger %I', name);
  end loop;
end
$$;

\ir migrations/0001_tracking.sql
\ir migrations/0002_api_keys.sql
\ir migrations/0003_function_analyses.sql
\ir migrations/0004_idempotency_claims.sql
\ir migrations/0005_catalog_as_json.sql
\ir migrations/0006_types_as_functions.sql
\ir migrations/0007_trees_read_where_needed.sql
\ir migrations/0008_answer_dependences.sql

-- A migration drops what "create or replace" cannot change: a function whose arguments differ, a view whose columns do.
\ir code/tags.sql
\ir code/outbox_triggers.sql
\ir code/track.sql
\ir code/changes_since.sql
\ir code/pre_request/pre_request.sql
\ir code/pre_request/claims.sql
\ir code/pre_request/answers.sql
\ir code/pre_request/row_conditions.sql
\ir code/prune.sql
\ir code/functions/search_paths.sql
\ir code/functions/text_functions.sql
\ir code/functions/analyze.sql
\ir code/ddl_events.sql
\ir code/schema_marker.sql
\ir code/digest.sql
\ir code/types.sql
\ir code/expressions.sql
\ir code/functions/claims.sql
\ir code/dependencies.sql
\ir code/functions/declared.sql
\ir code/reasons.sql
\ir code/answer_dependences.sql
\ir code/catalog.sql
\ir code/status.sql
\ir code/api_keys.sql
\ir code/grants.sql

select postern.repair();
select postern.analyze_functions();
-- A PostgREST that runs knows the functions from now on.
notify pgrst, 'reload schema';
