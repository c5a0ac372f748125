-- PostgREST's db-pre-request: what has to be done in the transaction of a write, before the write. It claims an idempotency key,
-- checks the condition of If-Match, and names the transaction. The headers Postern-Claim, Postern-Match and Postern-Transaction are the
-- gateway's: it removes a client's.

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
    if strpos(current_setting('request.headers', true), '"postern-transaction"') > 0 then
      perform postern.name_transaction();
    end if;
  end if;
end
$$;
comment on function postern.pre_request() is
'PostgREST''s db-pre-request, or called by the one that there is: claims the idempotency key of a write, checks its If-Match, and names its transaction. It changes no answer of a read.';

-- Security definer: callers may not call postern.database_incarnation().
create or replace function postern.name_transaction()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  incarnation text := nullif(current_setting('postern.incarnation', true), '');
begin
  if incarnation is null then
    -- Kept, because it takes longer than the rest. A session that can write ends with its incarnation, but for a reset of the statistics:
    -- then no cursor has the old name any more, and the gateway has to poll for the token.
    incarnation := postern.database_incarnation();
    perform set_config('postern.incarnation', incarnation, false);
  end if;
  perform set_config(
    'response.headers',
    (
      coalesce(nullif(current_setting('response.headers', true), '')::jsonb, '[]')
      || jsonb_build_object('Postern-Transaction', concat_ws('.', incarnation, pg_current_xact_id()))
    )::text,
    true
  );
end
$$;
comment on function postern.name_transaction() is
'Names the transaction of this write in a header of the answer, by the incarnation of the database and its id. The gateway takes the header out and makes a consistency token of it.';
