// The stack that the fuzz is sent to: canaries where no caller may reach, a log of every row that is written and by which request,
// a listener that nobody may ask, and what arrives at PostgREST.
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import pg from "pg";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { type FaultyStack, startFaultyStack } from "../faults/origin.ts";
import { until } from "../faults/run.ts";
import { type Message, requestsIn } from "./wire.ts";

export const CALLER = "5eed0000-0000-4000-8000-000000000001";
export const CANARY = "canary-4f1b9c";
export const DEADLINE_MS = 5_000;
/** The example's limits would refuse most of the fuzz. */
export const NO_LIMITS =
	"requests=off, misses=off, misses@address=off, writes=off, writes@address=off";

/** The schemas whose rows are watched. */
const WATCHED = ["api", "auth", "hidden", "postern", "private"];

/** Throttles, sessions, and what Postern itself keeps of writes: these change when a request is refused, too. */
const BOOKKEEPING =
	/^(auth\.(sessions|refresh_tokens|throttles)|postern\.(?!api_keys)|hidden\.writes)/;

/** A row that was written. */
export interface Write {
	/** The request's trace: which request of the fuzz it was. */
	readonly trace: string;
	readonly relation: string;
	readonly role: string;
}

export interface World {
	readonly stack: FaultyStack;
	/** Host and port of a server that nobody may ask. */
	readonly forbiddenHost: string;
	/** How many connections it had. */
	forbiddenConnections(): number;
	/** The caller's access token. */
	readonly token: string;
	/** The rows that were written since the last call. */
	takeWrites(): Promise<Write[]>;
	/** The requests that arrived at PostgREST since the last call. */
	takeArrived(): Message[];
	/** The rows that nobody may change, as a checksum. */
	untouchable(): Promise<string>;
	stop(): Promise<void>;
}

export async function startWorld(
	bundle: string,
	log?: (line: string) => void,
): Promise<World> {
	const forbidden = createServer((socket) => {
		connections++;
		socket.destroy();
	});
	let connections = 0;
	forbidden.listen(0, LOOPBACK);
	await once(forbidden, "listening");
	const chunks = new Map<number, Buffer[]>();
	const stack = await startFaultyStack({
		bundle,
		variables: {
			ORIGIN_TIMEOUT_MS: String(DEADLINE_MS),
			BCRYPT_COST: "4",
			RATE_LIMITS: NO_LIMITS,
		},
		...(log === undefined ? {} : { log }),
		tap(connection, chunk) {
			const before = chunks.get(connection) ?? [];
			chunks.set(connection, before);
			before.push(chunk);
		},
	});
	const database = new pg.Client({ connectionString: stack.databaseUrl });
	database.on("error", () => {});
	await database.connect();
	await database.query(SQL);
	const { rows } = await database.query(
		"select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = any($1)",
		[WATCHED],
	);
	for (const { name } of rows)
		if (!BOOKKEEPING.test(name))
			await database.query(
				`create trigger zz_log_write after insert or update or delete on ${name} for each row execute function hidden.log_write()`,
			);
	await database.query("notify pgrst, 'reload schema'");
	// While the change feed reads the catalog, writes with If-Match are 503.
	await until(async () => {
		const read = await fetch(`${stack.gatewayUrl}/rest/v1/rescues?limit=1`);
		return /; hit/.test(read.headers.get("cache-status") ?? "");
	});
	let taken = 0;
	return {
		stack,
		forbiddenHost: `${LOOPBACK}:${(forbidden.address() as AddressInfo).port}`,
		forbiddenConnections: () => connections,
		token: await stack.token(CALLER),
		async takeWrites() {
			const { rows } = await database.query(
				"select id, trace, relation, role from hidden.writes where id > $1 order by id",
				[taken],
			);
			taken = Number(rows.at(-1)?.id ?? taken);
			return rows;
		},
		takeArrived() {
			const arrived: Message[] = [];
			for (const [connection, list] of chunks) {
				const { requests, rest } = requestsIn(Buffer.concat(list));
				arrived.push(...requests);
				if (rest.length > 0) chunks.set(connection, [rest]);
				else chunks.delete(connection);
			}
			return arrived;
		},
		async untouchable() {
			const { rows } = await database.query(
				"select md5(string_agg(row, ',' order by row)) as sum from hidden.untouchable",
			);
			return rows[0].sum;
		},
		async stop() {
			await database.end();
			await stack.stop();
			forbidden.close();
		},
	};
}

const OTHER = "5eed0000-0000-4000-8000-000000000002";

const SQL = `
create schema hidden;
create table hidden.secrets (id bigint primary key, secret text not null);
insert into hidden.secrets values (1, '${CANARY}-hidden');
create table api.locked (id bigint primary key, secret text not null);
insert into api.locked values (1, '${CANARY}-locked');
insert into api.todos (name, creator) values ('${CANARY}-todo', '${OTHER}');
select postern.create_api_key('${CANARY}-key', 'publishable');
update auth.users set email = '${CANARY}@example.com' where id = '${OTHER}';

create function api.echo(text text) returns text language sql immutable set search_path = '' as 'select text';
grant execute on function api.echo(text) to anon, authenticated;

create table hidden.writes (id bigint generated always as identity, trace text, relation text not null, role text not null);
create function hidden.log_write() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into hidden.writes (trace, relation, role)
  values (
    split_part(nullif(current_setting('request.headers', true), '')::json ->> 'traceparent', '-', 2),
    format('%I.%I', tg_table_schema, tg_table_name),
    coalesce(nullif(current_setting('request.jwt.claims', true), '')::json ->> 'role', '')
  );
  return null;
end
$$;

create view hidden.untouchable as
select secret || id as row from hidden.secrets
union all select secret || id from api.locked
union all select name || creator from api.todos where creator = '${OTHER}'
union all select email || id from auth.users where id::text like '5eed%'
union all select name || id from postern.api_keys;
`;
