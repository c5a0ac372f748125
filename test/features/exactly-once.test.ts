// Promise 5, never done twice under one key: writes with an Idempotency-Key through the Worker, PostgREST and Postgres, while answers are
// cut off after the commit, connections break and clients try again.
import { setTimeout as sleep } from "node:timers/promises";
import { PostgrestClient } from "@supabase/postgrest-js";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { causal, exactlyOnce } from "../../gateway/client/index.ts";
import { type FaultProxy, startFaultProxy } from "../faults/fault-proxy.ts";
import { callerToken } from "../support/client.ts";
import {
	makeDatabase,
	type TestDatabase,
} from "../support/isolation/database.ts";
import { startGateway } from "../support/origin.ts";

const NAME = "postern_exactly_once";

/** After faults the origin is asked by one request a second until it answers. */
const PATIENCE = { timeout: 20_000, interval: 200 };

/** How long the faults of the last test go on. */
const STORM_MS = 3_000;

/** The operator's own pre-request function calls Postern's. */
const MAKE = `
	create table api.payments (id bigint generated always as identity primary key, reference text not null, by text default current_setting('request.jwt.claims')::json ->> 'sub');
	select postern.track('api.payments');
	grant select, insert, update, delete on api.payments to authenticated;
	create function api.pay(reference text) returns bigint language sql volatile
		begin atomic insert into api.payments (reference) values (reference) returning id; end;
	create function api.pay_slowly(reference text) returns bigint language plpgsql volatile
		as $$ begin perform pg_sleep(1); return api.pay(reference); end $$;
	create function api.paid() returns bigint language sql stable begin atomic select count(*) from api.payments; end;
	grant execute on all functions in schema api to authenticated;
	create schema hooks;
	grant usage on schema hooks to public;
	create function hooks.check() returns void language sql stable begin atomic select postern.pre_request(); end;
	grant execute on function hooks.check() to public;
`;

let database: TestDatabase;
let network: FaultProxy;
let url: string;
let ada: string;

beforeAll(async () => {
	const cleanup: (() => Promise<unknown>)[] = [];
	database = await makeDatabase([MAKE], {
		name: NAME,
		makeRoles: "",
		dropRoles: "",
		settings: { PGRST_DB_PRE_REQUEST: "hooks.check" },
	});
	cleanup.push(database.stop);
	network = await startFaultProxy(database.postgrestUrl);
	cleanup.push(network.stop);
	const worker = await startGateway(network.url, {
		MAX_STALENESS_SECONDS: "1",
		ORIGIN_TIMEOUT_MS: "3000",
	});
	cleanup.push(worker.stop);
	url = worker.url;
	ada = await callerToken();
	return async () => {
		for (const end of cleanup.reverse()) await end();
	};
});

interface Sent {
	key?: string;
	token?: string;
	method?: string;
	prefer?: string;
	body?: object;
}

async function send(
	path: string,
	{ key, token = ada, method = "POST", prefer, body }: Sent,
) {
	const answer = await fetch(`${url}/rest/v1/${path}`, {
		method,
		headers: {
			authorization: `Bearer ${token}`,
			...(key === undefined ? {} : { "idempotency-key": key }),
			...(prefer === undefined ? {} : { prefer }),
			...(body === undefined ? {} : { "content-type": "application/json" }),
		},
		...(body === undefined ? {} : { body: JSON.stringify(body) }),
	});
	const text = await answer.text();
	const { status, headers } = answer;
	return { status, text, isReplayed: headers.has("idempotent-replayed") };
}

async function countOf(reference: string): Promise<number> {
	const { rows } = await database.client.query(
		"select count(*)::integer as count from api.payments where reference = $1",
		[reference],
	);
	return rows[0].count;
}

/** The origin's answers are cut off from their first byte on, until the test ends. */
async function cutAnswers(): Promise<() => Promise<void>> {
	await network.fail({ kind: "cut", bytes: 0 });
	const mend = () => network.fail({ kind: "none" });
	onTestFinished(mend);
	return mend;
}

/** The gateway has asked whether PostgREST claims keys. */
const warm = () =>
	vi.waitFor(async () => {
		const key = crypto.randomUUID();
		const sent = { key, body: { reference: "warm" } };
		expect((await send("payments", sent)).status).toBe(201);
	}, PATIENCE);

const codeOf = ({ text }: { text: string }) => JSON.parse(text).code;

describe("a write whose answer is cut off after the commit", () => {
	it.each<[string, string, Sent, object]>([
		["an insert", "payments", {}, { status: 201, isReplayed: true, text: "" }],
		[
			"an insert that asks for the row",
			"payments",
			{ prefer: "return=representation" },
			{ status: 409, text: expect.stringContaining("answer_lost") },
		],
		[
			"a call",
			"rpc/pay",
			{},
			{ status: 409, text: expect.stringContaining("answer_lost") },
		],
	])("is done once: %s", async (what, path, sent, told) => {
		await warm();
		const write = { ...sent, key: `cut ${what}`, body: { reference: what } };
		write.key = `"${write.key}"`;
		const mend = await cutAnswers();
		expect((await send(path, write)).status).toBe(503);
		await vi.waitFor(async () => expect(await countOf(what)).toBe(1));
		await mend();
		await vi.waitFor(
			async () => expect(await send(path, write)).toMatchObject(told),
			PATIENCE,
		);
		expect(await countOf(what)).toBe(1);
	});
});

describe("a repeat", () => {
	it.each<[string, string, Sent]>([
		["POST", "payments", { prefer: "return=representation" }],
		["POST of a function", "rpc/pay", {}],
		["PATCH", "payments?reference=eq.warm", { method: "PATCH" }],
		["DELETE", "payments?reference=eq.none", { method: "DELETE" }],
	])("of a %s gets the first answer", async (what, path, sent) => {
		await warm();
		const body = sent.method === "DELETE" ? {} : { body: { reference: what } };
		const write = { ...sent, ...body, key: `"repeat ${what}"` };
		const first = await send(path, write);
		const again = await send(path, write);
		expect(first).toMatchObject({ isReplayed: false });
		expect(again).toEqual({ ...first, isReplayed: true });
		expect(
			await send(path, { ...write, body: { reference: "b" } }),
		).toMatchObject({ status: 422 });
	});

	it("is told to wait while the first is under way", async () => {
		const write = { key: "slow", body: { reference: "slow" } };
		const first = send("rpc/pay_slowly", write);
		await sleep(300);
		const again = await send("rpc/pay_slowly", write);
		expect([again.status, codeOf(again)]).toEqual([
			409,
			"idempotency_in_flight",
		]);
		const { status, text } = await first;
		expect(await send("rpc/pay_slowly", write)).toEqual({
			status,
			text,
			isReplayed: true,
		});
		expect(await countOf("slow")).toBe(1);
	});

	it("of another caller is their own write", async () => {
		const grace = await callerToken({ sub: "grace" });
		const write = {
			key: "shared",
			prefer: "return=representation",
			body: { reference: "shared" },
		};
		const answers = [];
		for (const token of [ada, grace, ada, grace])
			answers.push(
				(await send("payments?select=by", { ...write, token })).text,
			);
		expect(answers).toEqual(
			["ada", "grace", "ada", "grace"].map((by) => JSON.stringify([{ by }])),
		);
		expect(await countOf("shared")).toBe(2);
	});

	it("survives that the client goes away before the answer", async () => {
		const client = new AbortController();
		const body = JSON.stringify({ reference: "gone" });
		const headers = {
			authorization: `Bearer ${ada}`,
			"content-type": "application/json",
			"idempotency-key": "gone",
		};
		const call = `${url}/rest/v1/rpc/pay_slowly`;
		const { signal } = client;
		const first = fetch(call, { method: "POST", headers, body, signal });
		setTimeout(() => client.abort(), 300);
		await expect(first).rejects.toThrow();
		await vi.waitFor(
			async () => {
				const { status } = await send("rpc/pay_slowly", {
					key: "gone",
					body: { reference: "gone" },
				});
				expect(status).toBe(200);
			},
			{ timeout: 5_000, interval: 200 },
		);
		expect(await countOf("gone")).toBe(1);
	});
});

describe("reads", () => {
	it("are cached with the function installed, and see the writes", async () => {
		await warm();
		const read = () =>
			fetch(`${url}/rest/v1/payments?select=id&limit=1&order=id`, {
				headers: { authorization: `Bearer ${ada}`, "idempotency-key": "r" },
			});
		await vi.waitFor(
			async () => {
				await read();
				expect((await read()).headers.get("cache-status")).toContain("; hit");
			},
			{ timeout: 20_000, interval: 300 },
		);
		const call = await send("rpc/paid", { key: "read", body: {} });
		const more = { key: "more", body: { reference: "more" } };
		expect((await send("payments", more)).status).toBe(201);
		await vi.waitFor(async () => {
			const later = await send("rpc/paid", { key: "read", body: {} });
			expect(Number(later.text)).toBe(Number(call.text) + 1);
		}, PATIENCE);
	});
});

describe("clients that try again", () => {
	it("apply no write twice, under faults", async () => {
		await warm();
		const faults = [
			{ kind: "cut", bytes: 0 },
			{ kind: "reset" },
			{ kind: "cut", bytes: 60 },
		] as const;
		onTestFinished(() => network.fail({ kind: "none" }));
		const endsAt = Date.now() + STORM_MS;
		const storm = (async () => {
			for (let turn = 0; Date.now() < endsAt; turn += 1) {
				await network.fail(faults[turn % faults.length] ?? { kind: "none" });
				await sleep(30 + Math.random() * 60);
				await network.fail({ kind: "none" });
				await sleep(300 + Math.random() * 300);
			}
		})();
		const done: string[] = [];
		const work = async (worker: number) => {
			const client = new PostgrestClient(`${url}/rest/v1`, {
				headers: { authorization: `Bearer ${ada}` },
				fetch: causal(
					exactlyOnce(fetch, {
						attempts: 100,
						sleep: (ms) => sleep(Math.min(ms, 150)),
					}),
				),
				retry: false,
			});
			for (let number = 0; Date.now() < endsAt; number += 1) {
				const reference = `storm ${worker} ${number}`;
				const { error } = await client.from("payments").insert({ reference });
				expect(error).toBeNull();
				done.push(reference);
			}
		};
		await Promise.all(Array.from({ length: 6 }, (_, worker) => work(worker)));
		await storm;
		const { rows } = await database.client.query(
			"select reference, count(*)::integer as count from api.payments where reference like 'storm %' group by reference",
		);
		const counts = new Map(rows.map((row) => [row.reference, row.count]));
		expect(rows.filter(({ count }) => count > 1)).toEqual([]);
		expect([...counts.keys()].sort()).toEqual(done.sort());
	}, 60_000);
});
