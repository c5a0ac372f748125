-- Who may call what. Only the Worker's role postern is granted anything: tracking, declaring and repairing are the owner's.

revoke all on all functions in schema postern from public;
grant usage on schema postern to postern;
grant execute on function
  postern.changes_since(text),
  postern.prune(interval, integer),
  postern.mark_schema(),
  postern.catalog(text[], text, text),
  postern.status()
  to postern;
