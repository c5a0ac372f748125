// Promise 2, own writes, where PostgREST calls postern.pre_request(): the token of a write names its transaction. Through the Worker,
// PostgREST and Postgres. With faults: the histories, in which every other isolate has such tokens.
import { beforeAll, describe, expect, it } from "vitest";
import { callerToken } from "../support/client.ts";
import {
	makeDatabase,
	type TestDatabase,
} from "../support/isolation/database.ts";
import { startGateway } from "../support/origin.ts";

const MAKE = `
	create table api.counters (id integer primary key, n integer not null default 0);
	insert into api.counters (id) select generate_series(1, 9);
	select postern.track('api.counters');
	grant select, insert, update, delete on api.counters to authenticated;
	create function api.count_with_header(id integer) returns void language plpgsql volatile as $$ begin
		update api.counters set n = n + 1 where counters.id = count_with_header.id;
		perform set_config('response.headers', '[{"X-Counted": "yes"}]', true);
	end $$;
	create schema hooks;
	grant usage on schema hooks to public;
	create function hooks.check() returns void language sql stable begin atomic select postern.pre_request(); end;
	grant execute on function hooks.check() to public;
`;

const OF_TRANSACTION = /^[\da-f]{16}\.\d+$/;
const OF_POLL = /^[\da-f]{16}\.[\da-f]{16}\.[\da-z]+$/;

let database: TestDatabase;
let urls: readonly string[];
let ada: string;

beforeAll(async () => {
	const cleanup: (() => Promise<unknown>)[] = [];
	database = await makeDatabase([MAKE], {
		name: "postern_write_tokens",
		makeRoles: "",
		dropRoles: "",
		settings: { PGRST_DB_PRE_REQUEST: "hooks.check" },
	});
	cleanup.push(database.stop);
	// Neither change feed tells for itself of a change within a test.
	const variables = { MAX_STALENESS_SECONDS: "600" };
	const start = () => startGateway(database.postgrestUrl, variables);
	const workers = [await start(), await start()];
	for (const worker of workers) cleanup.push(worker.stop);
	urls = workers.map((worker) => worker.url);
	ada = await callerToken({ sub: "ada" });
	return async () => {
		for (const end of cleanup.reverse()) await end();
	};
});

interface Sent {
	at?: 0 | 1;
	method?: string;
	headers?: Record<string, string>;
	body?: object;
}

async function send(path: string, { at = 0, headers, body, ...sent }: Sent) {
	const answer = await fetch(`${urls[at]}/rest/v1/${path}`, {
		...sent,
		headers: {
			authorization: `Bearer ${ada}`,
			...(body && { "content-type": "application/json" }),
			...headers,
		},
		...(body && { body: JSON.stringify(body) }),
	});
	const text = await answer.text();
	const token = answer.headers.get("postern-token") ?? "";
	return { status: answer.status, text, token, headers: answer.headers };
}

const write = (id: number, n: number, sent: Sent = {}) =>
	send(`counters?id=eq.${id}`, { method: "PATCH", body: { n }, ...sent });

async function countIn(id: number, sent: Sent = {}) {
	const { text, headers } = await send(`counters?id=eq.${id}&select=n`, sent);
	const status = headers.get("cache-status") ?? "";
	return { n: JSON.parse(text)[0].n, isHit: status.includes("; hit") };
}

/** Reads until the answer comes from the cache. The feed is asked each time, because it tells when PostgREST has loaded the schema. */
async function warm(id: number, at: 0 | 1): Promise<void> {
	const headers = { "cache-control": "max-age=0" };
	await expect
		.poll(async () => (await countIn(id, { at, headers })).isHit, {
			timeout: 15_000,
		})
		.toBe(true);
}

describe("the token of a write", () => {
	it("names its transaction, and the client sees no more of that", async () => {
		const { status, token, headers } = await write(1, 1);
		expect(status).toBe(204);
		expect(token).toMatch(OF_TRANSACTION);
		expect(headers.has("postern-transaction")).toBe(false);
	});

	it("makes the next read show it in another isolate", async () => {
		await warm(2, 1);
		for (let n = 1; n <= 10; n += 1) {
			const { token } = await write(2, n);
			const headers = { "postern-token": token };
			expect(await countIn(2, { at: 1, headers })).toMatchObject({ n });
		}
	});

	it("does not keep later reads from being answered by the cache", async () => {
		const { token } = await write(3, 1);
		const headers = { "postern-token": token };
		await countIn(3, { at: 1, headers });
		await expect
			.poll(() => countIn(3, { at: 1, headers }), { timeout: 15_000 })
			.toEqual({ n: 1, isHit: true });
	});

	it("is not needed by its user in the isolate that did the write", async () => {
		await warm(4, 0);
		for (let n = 1; n <= 10; n += 1) {
			await write(4, n);
			expect(await countIn(4)).toMatchObject({ n });
		}
	});

	it.each<[string, string, Sent]>([
		[
			"a function that replaces the headers",
			"rpc/count_with_header",
			{ method: "POST", body: { id: 5 } },
		],
		["a refused write", "counters", { method: "POST", body: { id: 1 } }],
		[
			"a write that PostgREST takes back",
			"counters?id=lt.9",
			{
				method: "PATCH",
				body: { n: 1 },
				headers: { accept: "application/vnd.pgrst.object+json" },
			},
		],
	])("is that of a poll for %s", async (_, path, sent) => {
		const { token } = await send(path, sent);
		expect(token).toMatch(OF_POLL);
	});

	it("is not chosen by a client's header, and a read has none", async () => {
		const headers = { "postern-transaction": "name" };
		const { token } = await send("counters?id=eq.7", { headers });
		expect(token).toMatch(OF_POLL);
	});
});
