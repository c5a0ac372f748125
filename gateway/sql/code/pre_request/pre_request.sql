-- PostgREST's db-pre-request: what has to be decided in the transaction of a write, before the write. It claims an idempotency key, and
-- checks the condition of If-Match. The headers Postern-Claim and Postern-Match are the gateway's: it removes a client's.

-- PostgREST calls it as the caller before every request. A read ends at the first condition, also one that calls a function by POST.
-- It sets no search path, because the caller's policies run in it. The key comes first: a repeat of a write gets the first answer.
create or replace function postern.pre_request()
returns void
language plpgsql volatile
as $$
begin
  if current_setting('transaction_read_only') = 'off' then
    if strpos(current_setting('request.headers', true), '"postern-claim"') > 0 then
      perform postern.claim_key();
    end if;
    if strpos(current_setting('request.headers', true), '"postern-match"') > 0 then
      perform postern.check_row();
    end if;
  end if;
end
$$;
comment on function postern.pre_request() is
'PostgREST''s db-pre-request, or called by the one that there is: claims the idempotency key of a write, and checks its If-Match. It changes no answer of a read.';
