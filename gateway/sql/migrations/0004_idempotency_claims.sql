-- idempotency_claims: the keys of writes that were done, so that a repeat is not done again.

do $migration$
begin
  if not postern.begin_migration('postern', 4, 'idempotency_claims') then
    return;
  end if;

  -- A row commits with its write or not at all. Hashes alone: a key may be guessable, and names of callers are personal.
  create table postern.idempotency_claims (
    key_hash     bytea primary key,
    request_hash text not null,
    claim        uuid not null constraint claim_is_unique unique,
    claimed_at   timestamptz not null default clock_timestamp(),
    answer       jsonb
  );
  create index idempotency_claims_claimed_at on postern.idempotency_claims (claimed_at);

  comment on table postern.idempotency_claims is
  'Idempotency keys of writes that committed. key_hash: SHA-256 of the caller and the key. claim: names the attempt that committed. answer: what the gateway kept of it. Written by postern.pre_request and postern.keep_answer.';
end
$migration$;
