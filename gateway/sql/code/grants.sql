-- Who may call what. Tracking, declaring and repairing are the owner's. The Worker's role postern may call what follows, and every role
-- the pre-request function, because PostgREST calls it as the caller.

revoke all on all functions in schema postern from public;
grant usage on schema postern to postern;
grant execute on function
  postern.changes_since(text),
  postern.prune(interval, integer),
  postern.mark_schema(),
  postern.catalog(text[], text, text),
  postern.status(),
  postern.claims_keys(),
  postern.keep_answer(uuid, jsonb),
  postern.kept_answer(uuid)
  to postern;
grant usage on schema postern to public;
grant execute on function
  postern.pre_request(),
  postern.claim_key(),
  postern.name_transaction(),
  postern.check_row(),
  postern.locking_query(jsonb),
  postern.has_changed(jsonb, text),
  postern.quoted(text)
  to public;
