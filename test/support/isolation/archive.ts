// Tables with fixed policies, each of one kind, and four callers who see different rows of them.
import { BYPASSER, type Caller, MEMBER } from "./callers.ts";

/** A claim in the way that policies read it. */
export const SUB =
	"current_setting('request.jwt.claims', true)::json ->> 'sub'";

/** Letters are visible to their owner, boxes to everyone, notices to a role, accounts by a claim that is a number. */
export const MAKE_ARCHIVE = `
	grant usage on schema api to ${BYPASSER}, ${MEMBER};
	create table api.isolation_boxes (id integer primary key, name text not null);
	create table api.isolation_letters (
		id integer primary key, owner text not null, box_id integer not null references api.isolation_boxes, "the body" text not null
	);
	create table api.isolation_notices (id integer primary key, title text not null);
	create table api.isolation_accounts (id bigint primary key);
	insert into api.isolation_boxes values (1, 'red'), (2, 'blue');
	insert into api.isolation_letters values
		(1, 'ada', 1, 'analytical'), (2, 'grace', 1, 'nanoseconds'), (3, 'ada', 2, 'engine'), (4, 'grace', 2, 'moth'),
		(5, 'Ada', 1, 'of another Ada');
	insert into api.isolation_notices values (1, 'for everybody'), (2, 'for users');
	insert into api.isolation_accounts values (9007199254740992), (9007199254740993);
	select postern.track('api.isolation_boxes');
	select postern.track('api.isolation_letters');
	select postern.track('api.isolation_notices');
	select postern.track('api.isolation_accounts');
	alter table api.isolation_letters enable row level security;
	create policy owner_only on api.isolation_letters to anon, authenticated using (owner = ${SUB});
	create policy all_of_them on api.isolation_letters to service using (true);
	alter table api.isolation_notices enable row level security;
	create policy first_only on api.isolation_notices to anon using (id = 1);
	create policy all_of_them on api.isolation_notices to authenticated, service using (true);
	alter table api.isolation_accounts enable row level security;
	create policy own on api.isolation_accounts to authenticated
	using (id = (current_setting('request.jwt.claims', true)::json ->> 'account')::bigint);
	grant select on api.isolation_boxes, api.isolation_letters, api.isolation_notices, api.isolation_accounts
	to anon, authenticated, service;
`;

function user(sub: string): Caller {
	return { role: "authenticated", claims: { sub }, issuer: "postern" };
}

export const ada = user("ada");
export const grace = user("grace");
export const anonymous: Caller = {
	role: "anon",
	claims: {},
	issuer: undefined,
};
export const robot: Caller = {
	role: "service",
	claims: {},
	issuer: "postern",
};
