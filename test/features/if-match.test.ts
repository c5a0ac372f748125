// If-Match: a write of one row is done only if the row is as it was when its ETag was given, whoever else writes it, by whatever way. Through
// the Worker, PostgREST and Postgres. What the database decides, case by case: gateway/test/sql/pre-request/row-conditions.test.ts.
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { callerToken } from "../support/client.ts";
import {
	makeDatabase,
	type TestDatabase,
} from "../support/isolation/database.ts";
import { startGateway } from "../support/origin.ts";

const EDITORS = 50;
const SQL_WRITERS = 4;
const UPDATES_BY_SQL = 8;

/** The operator's own pre-request function calls Postern's. */
const MAKE = `
	create table api.counters (id integer primary key, n integer not null default 0, note text);
	insert into api.counters (id) select generate_series(1, 40);
	create table api.words (language text, word text, n integer not null default 0, primary key (word, language));
	insert into api.words values ('de', 'für "immer", (ja)&+%'), ('de', 'nie');
	create table api.owned (id integer primary key, owner text not null, n integer not null default 0);
	insert into api.owned (id, owner) values (1, 'ada'), (2, 'grace');
	alter table api.owned enable row level security;
	create policy owner_only on api.owned using (owner = current_setting('request.jwt.claims')::json ->> 'sub');
	create table api.loose (id integer primary key, n integer);
	insert into api.loose values (1, 0);
	select postern.untrack('api.loose');
	create view api.counted with (security_invoker) as select * from api.counters;
	create function api.count_up(id integer) returns void language sql volatile
		begin atomic update api.counters set n = n + 1 where counters.id = count_up.id; end;
	select postern.track(relation) from unnest(array['api.counters', 'api.words', 'api.owned']::regclass[]) as relation;
	grant select, insert, update, delete on all tables in schema api to authenticated;
	grant select on api.counters to anon;
	create schema hooks;
	grant usage on schema hooks to public;
	create function hooks.check() returns void language sql stable begin atomic select postern.pre_request(); end;
	grant execute on function hooks.check() to public;
`;

let database: TestDatabase;
let url: string;
let ada: string;
let sql: (text: string) => Promise<pg.QueryResult>;

beforeAll(async () => {
	const cleanup: (() => Promise<unknown>)[] = [];
	database = await makeDatabase([MAKE], {
		name: "postern_if_match",
		makeRoles: "",
		dropRoles: "",
		settings: { PGRST_DB_PRE_REQUEST: "hooks.check" },
	});
	cleanup.push(database.stop);
	sql = (text) => database.client.query(text);
	// The change feed tells for itself of no change within a test.
	const worker = await startGateway(database.postgrestUrl, {
		MAX_STALENESS_SECONDS: "600",
	});
	cleanup.push(worker.stop);
	url = worker.url;
	ada = await callerToken({ sub: "ada" });
	await etagOf("counters");
	return async () => {
		for (const end of cleanup.reverse()) await end();
	};
});

interface Sent {
	method?: string;
	headers?: Record<string, string | undefined>;
	token?: string;
	body?: object | undefined;
}

async function send(
	path: string,
	{ method, headers, token = ada, body }: Sent,
) {
	const sent = {
		authorization: `Bearer ${token}`,
		...(body === undefined ? {} : { "content-type": "application/json" }),
		...headers,
	};
	const answer = await fetch(`${url}/rest/v1/${path}`, {
		method: method ?? "GET",
		headers: Object.entries(sent).flatMap(([name, value]) =>
			value === undefined ? [] : [[name, value] as [string, string]],
		),
		...(body === undefined ? {} : { body: JSON.stringify(body) }),
	});
	const text = await answer.text();
	return {
		status: answer.status,
		text,
		etag: answer.headers.get("etag") ?? "",
		consistencyToken: answer.headers.get("postern-token") ?? undefined,
		headers: answer.headers,
	};
}

type Told = Awaited<ReturnType<typeof send>>;

const pathOf = (row: number | string) =>
	typeof row === "number" ? `counters?id=eq.${row}` : row;

const read = (row: number | string, headers: Sent["headers"] = {}) =>
	send(pathOf(row), { headers });

/** A write with If-Match, of one row. */
const write = (
	row: number | string,
	etag: string,
	{
		method = "PATCH",
		headers = {},
		body = { note: "mine" },
		...sent
	}: Sent = {},
) =>
	send(pathOf(row), {
		...{ method, ...sent },
		headers: { "if-match": etag, ...headers },
		body: method === "DELETE" ? undefined : body,
	});

/** After a change of the schema, and after the outbox was pruned past the feed, nothing is cached for a moment. */
const etagOf = (row: number | string): Promise<string> =>
	vi.waitFor(
		async () => {
			const { etag } = await read(row, { "postern-token": "0" });
			expect(etag).toMatch(/^"[\w-]+\.\w+\.\w+"$/);
			return etag;
		},
		{ timeout: 20_000, interval: 100 },
	);

const codeOf = ({ status, text }: Told) => [
	status,
	text === "" ? undefined : JSON.parse(text).code,
];

const FAILED = [412, "precondition_failed"];
const UNSUPPORTED = [400, "precondition_unsupported"];

async function rowOf(id: number): Promise<object | undefined> {
	const { rows } = await sql(`select * from api.counters where id = ${id}`);
	return rows[0];
}

describe("racing editors", () => {
	it("who read, add one, and write with If-Match lose no update, while others write by SQL", async () => {
		let refused = 0;
		const edit = async () => {
			let consistencyToken: string | undefined;
			for (let attempt = 1; ; attempt++) {
				const before = await read(1, { "postern-token": consistencyToken });
				const [{ n }] = JSON.parse(before.text);
				const after = await write(1, before.etag, { body: { n: n + 1 } });
				consistencyToken = after.consistencyToken;
				if (after.status === 204) return;
				expect(codeOf(after)).toEqual(FAILED);
				refused++;
				await sleep(Math.random() * 200 * attempt);
			}
		};
		const writeBySql = async () => {
			const client = new pg.Client({
				host: database.client.host,
				port: database.client.port,
				user: database.client.user ?? "",
				password: database.client.password ?? "",
				database: "postern_if_match",
			});
			await client.connect();
			for (let turn = 0; turn < UPDATES_BY_SQL; turn++) {
				await client.query("update api.counters set n = n + 1 where id = 1");
				await sleep(Math.random() * 100);
			}
			await client.end();
		};
		await Promise.all([
			...Array.from({ length: EDITORS }, edit),
			...Array.from({ length: SQL_WRITERS }, writeBySql),
		]);
		expect(await rowOf(1)).toMatchObject({
			n: EDITORS + SQL_WRITERS * UPDATES_BY_SQL,
		});
		expect(refused).toBeGreaterThan(0);
	}, 60_000);
});

const WRITES: [string, Sent, number][] = [
	["PATCH", { body: { note: "mine" } }, 204],
	["PUT", { method: "PUT", body: { n: 7, note: "mine" } }, 204],
	["DELETE", { method: "DELETE" }, 204],
];

/** A PUT has the key in its body as well. */
const asWrite = (sent: Sent, id: number): Sent =>
	sent.method === "PUT" ? { ...sent, body: { id, ...sent.body } } : sent;

let nextRow = 2;
/** The id of a row that no other test writes. */
const newRow = () => nextRow++;

describe.each(WRITES)(
	"a %s with the ETag of a row",
	(method, write_, status) => {
		const writeRow = (id: number, etag: string) =>
			write(id, etag, asWrite(write_, id));

		it("is done while the row is as it was", async () => {
			const id = newRow();
			const etag = await etagOf(id);
			expect((await writeRow(id, etag)).status).toBe(status);
			expect(await rowOf(id)).toEqual(
				method === "DELETE"
					? undefined
					: expect.objectContaining({ note: "mine" }),
			);
		});

		it("is refused after a change by SQL that the change feed has not told, until the row is read again", async () => {
			const id = newRow();
			const etag = await etagOf(id);
			await sql(`update api.counters set n = 5 where id = ${id}`);
			const refused = await writeRow(id, etag);
			expect(codeOf(refused)).toEqual(FAILED);
			expect(await rowOf(id)).toEqual({ id, n: 5, note: null });
			// Without the token of the refusal as well.
			const again = await read(id);
			expect(JSON.parse(again.text)).toEqual([{ id, n: 5, note: null }]);
			expect((await writeRow(id, again.etag)).status).toBe(status);
		});

		it("is refused after a change that the change feed has told", async () => {
			const id = newRow();
			const etag = await etagOf(id);
			await sql(`update api.counters set n = 5 where id = ${id}`);
			await read(1, { "postern-token": "0" });
			expect(codeOf(await writeRow(id, etag))).toEqual(FAILED);
			expect(await rowOf(id)).toEqual({ id, n: 5, note: null });
		});

		it("is refused after a change through the gateway, its own included", async () => {
			const id = newRow();
			const etag = await etagOf(id);
			const own = await write(id, etag, { body: { n: 1 } });
			expect(own.status).toBe(204);
			expect(codeOf(await writeRow(id, etag))).toEqual(FAILED);
			expect(await rowOf(id)).toEqual({ id, n: 1, note: null });
		});

		it("waits for a transaction that has written the row, and is refused when that commits", async () => {
			const id = newRow();
			const etag = await etagOf(id);
			await sql(`begin; update api.counters set n = 5 where id = ${id}`);
			const waiting = writeRow(id, etag);
			await sleep(150);
			await sql("commit");
			expect(codeOf(await waiting)).toEqual(FAILED);
			expect(await rowOf(id)).toEqual({ id, n: 5, note: null });
		});

		it("creates no row", async () => {
			const etag = await etagOf(1);
			for (const one of ["*", etag])
				expect(codeOf(await writeRow(999, one))).toEqual(FAILED);
			expect(await rowOf(999)).toBeUndefined();
		});

		it("is done for * while there is a row", async () => {
			const id = newRow();
			await sql(`update api.counters set n = 5 where id = ${id}`);
			expect((await writeRow(id, "*")).status).toBe(status);
		});
	},
);

describe("an ETag", () => {
	it.each([
		["of several rows", "counters?order=id"],
		["of some columns", "counters?select=id&limit=1"],
		["of a view", "counted?limit=1"],
		["of another table", "words?order=word"],
	])("%s is about the row that is written, as of then", async (_, path) => {
		const [one, other] = [newRow(), newRow()];
		const etag = await etagOf(path);
		await sql(`update api.counters set n = 5 where id = ${other}`);
		expect((await write(one, etag)).status).toBe(204);
		expect(codeOf(await write(other, etag))).toEqual(FAILED);
	});

	it("is one of a list", async () => {
		const id = newRow();
		const etag = await etagOf(id);
		expect((await write(id, `"other" , , ${etag}`)).status).toBe(204);
	});

	it.each([
		["a weak one", (etag: string) => `W/${etag}`],
		["one without a moment", (etag: string) => etag.replace(/\..*/, '"')],
		["one of another feed", (etag: string) => etag.replace(/\w+"$/, 'other"')],
		["another server's", () => '"abc"'],
	])("matches no row: %s", async (_, changed) => {
		const etag = await etagOf(1);
		const refused = await write(1, changed(etag));
		expect(codeOf(refused)).toEqual(FAILED);
	});

	it.each([",", "abc", '"a', "*, *", '"a" "b"', '*, "a"', 'w/"a"'])(
		"that is malformed is refused: %s",
		async (etag) => {
			expect(codeOf(await write(1, etag))).toEqual([
				400,
				"precondition_invalid",
			]);
		},
	);
});

describe("a row", () => {
	it("of a key of two texts is the one that the filters name", async () => {
		const path = `words?word=eq.${encodeURIComponent('für "immer", (ja)&+%')}&language=eq.de&select=n`;
		const change = { body: { n: 1 } };
		const etag = await etagOf(path);
		await sql("update api.words set n = 5 where word = 'nie'");
		expect((await write(path, etag, change)).status).toBe(204);
		expect(codeOf(await write(path, etag, change))).toEqual(FAILED);
		const { rows } = await sql("select n from api.words order by word");
		expect(rows).toEqual([{ n: 1 }, { n: 5 }]);
	});

	it("that a policy hides is not there", async () => {
		const grace = await callerToken({ sub: "grace" });
		const path = "owned?id=eq.2";
		const { etag } = await send(path, { token: grace });
		const change = { body: { n: 1 } };
		for (const one of [etag, "*"])
			expect(codeOf(await write(path, one, change))).toEqual(FAILED);
		expect((await write(path, etag, { ...change, token: grace })).status).toBe(
			204,
		);
	});
});

describe("a condition that cannot be checked is refused, and nothing is written", () => {
	it.each<[string, string, Sent]>([
		["of several rows", "counters?id=gt.0", {}],
		["of no filter", "counters", {}],
		["of one of several conditions", "counters?or=(id.eq.1,id.eq.2)", {}],
		["of a part of the key", "words?word=eq.nie", { body: { n: 9 } }],
		["of a view", "counted?id=eq.1", {}],
		["of a table that is not tracked", "loose?id=eq.1", { body: { n: 9 } }],
		["of an insert", "counters", { method: "POST", body: { id: 998 } }],
		["of a call", "rpc/count_up", { method: "POST", body: { id: 1 } }],
	])("%s", async (_, path, sent) => {
		const count = "select sum(n) as n, count(note) from api.counters";
		const before = (await sql(count)).rows;
		const etag = await etagOf(1);
		for (const one of [etag, "*"])
			expect(codeOf(await write(path, one, sent))).toEqual(UNSUPPORTED);
		expect((await sql(count)).rows).toEqual(before);
	});

	it("and says why", async () => {
		const { text } = await write("words?word=eq.nie", "*");
		expect(text).toContain("word=eq.(value)&language=eq.(value)");
		const loose = await write("loose?id=eq.1", "*", { body: { n: 9 } });
		expect(loose.text).toContain("not tracked");
	});

	it("unless the caller may not write at all", async () => {
		const token = await callerToken({ role: "anon" });
		const { status, text } = await write(1, "*", { token });
		expect([status, JSON.parse(text).code]).toEqual([401, "42501"]);
	});
});

it("counts a row as changed where the outbox was pruned past what the gateway knows", async () => {
	const id = newRow();
	const etag = await etagOf(id);
	await sql("select txid_current()");
	await sql("select postern.prune('0')");
	await sql("select postern.prune('0')");
	expect(codeOf(await write(id, etag))).toEqual(FAILED);
	expect((await write(id, await etagOf(id))).status).toBe(204);
});

it("gives the repeat of a write with an idempotency key its first answer", async () => {
	const id = newRow();
	const etag = await etagOf(id);
	const sent = (key: string) => ({
		headers: { "idempotency-key": key, prefer: "return=representation" },
	});
	const first = await write(id, etag, sent("first"));
	expect(first.status).toBe(200);
	const again = await write(id, etag, sent("first"));
	expect([again.status, again.text]).toEqual([200, first.text]);
	expect(again.headers.get("idempotent-replayed")).toBe("true");
	expect(codeOf(await write(id, etag, sent("second")))).toEqual(FAILED);
	// A key whose write was refused is free.
	const later = await etagOf(id);
	expect((await write(id, later, sent("second"))).status).toBe(200);
});
