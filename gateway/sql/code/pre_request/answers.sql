-- What the Worker asks as the role postern about writes with idempotency keys: whether they are claimed, and the answers of those that
-- were done.

create or replace function postern.claims_keys()
returns boolean
language sql volatile
set search_path = pg_catalog, pg_temp
return coalesce(current_setting('postern.claims_keys', true) = 'on', false);
comment on function postern.claims_keys() is 'Whether postern.pre_request was called before this request, which has the header Postern-Claim: probe.';

create or replace function postern.keep_answer(claim uuid, answer jsonb)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update postern.idempotency_claims as claimed
  set answer = keep_answer.answer
  where claimed.claim = keep_answer.claim;
  return found;
end
$$;
comment on function postern.keep_answer(uuid, jsonb) is 'Keeps the answer of the write that this claim committed with. False where none did.';

create or replace function postern.kept_answer(claim uuid)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
return (select claimed.answer from postern.idempotency_claims as claimed where claimed.claim = kept_answer.claim);
comment on function postern.kept_answer(uuid) is 'What postern.keep_answer kept. Null where it kept nothing.';
