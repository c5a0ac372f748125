// What a route reads from the isolate's memory is what the pipeline would have given it, and its answer says the same. Each read is
// asked twice in one isolate: as it is, and with a header that only the pipeline takes.
import fc from "fast-check";
import { expect, it } from "vitest";
import { createRouter } from "../../src/routes.ts";
import { rows } from "../support/cache.ts";
import { CINEMA, catalogOf, table } from "../support/catalog.ts";
import { startGateway } from "../support/gateway.ts";
import { startFeed } from "../support/memory-feed.ts";
import { NOW, tokenFor } from "../support/tokens.ts";

const RUNS = 10;

type Fields = Readonly<Record<string, string>>;

/** Postgrest-js's text of each read. */
const READS: Readonly<Record<string, readonly string[]>> = {
	films: ["/films?select=*"],
	one: ["/films?select=id&id=eq.1"],
	embed: ["/films?select=*,studios(name)"],
	both: ["/films?select=*", "/notes?select=*"],
	notes: ["/notes?select=*"],
	hasty: ["/hasty?select=*"],
	signed: ["/signed?select=*"],
	counted: ["/films?select=*"],
	nothing: ["/unknown?select=*"],
};

const CREDENTIALS: readonly Fields[] = [
	{},
	{ authorization: `Bearer ${await tokenFor()}` },
	{ authorization: `Bearer ${await tokenFor({ sub: "bob" })}` },
	{ authorization: `Bearer ${await tokenFor({ sub: undefined })}` },
];
const ADA = 1;
const WITHOUT_SUB = 3;

/** Policies of notes that read no claims. */
const OPEN = catalogOf({
	relations: [table("notes", { id: "integer", owner: "text" })],
});

const asking = fc.record({
	kind: fc.constant("ask" as const),
	read: fc.constantFrom(...Object.keys(READS)),
	credentials: fc.nat(CREDENTIALS.length - 1),
	fields: fc.constantFrom<Fields>(
		{},
		{},
		{},
		{ "cache-control": "no-cache" },
		{ "cache-control": "max-age=1" },
		{ pragma: "no-cache" },
		{ "postern-token": "0" },
		{ "if-none-match": "*" },
	),
	returned: fc.constantFrom("none", "none", "etag", "token"),
});

type Asking = typeof asking extends fc.Arbitrary<infer One> ? One : never;

const step = fc.oneof(
	{ weight: 12, arbitrary: asking },
	{
		weight: 2,
		arbitrary: fc.record({
			kind: fc.constant("wait" as const),
			ms: fc.constantFrom(1, 999, 1_200),
		}),
	},
	{
		weight: 1,
		arbitrary: fc.record({
			kind: fc.constant("commit" as const),
			tag: fc.constantFrom("api.films", "api.notes", "api.studios"),
		}),
	},
	// The next view covers what was kept by then.
	{ weight: 3, arbitrary: fc.constant({ kind: "poll" as const }) },
);

it("gives the pipeline's answer, for random reads", {
	timeout: 120_000,
}, async () => {
	const count = { recalled: 0 };
	await fc.assert(
		fc.asyncProperty(
			fc.array(step, { minLength: 60, maxLength: 100 }),
			async (steps) => {
				const isolate = startIsolate(count);
				for (const one of steps) await isolate.play(one);
			},
		),
		{ numRuns: RUNS },
	);
	expect(count.recalled).toBeGreaterThan(0);
});

it.each(
	Object.entries({
		films: true,
		one: true,
		embed: true,
		both: true,
		notes: true,
		signed: false,
		counted: false,
		nothing: false,
	}),
)("%s: reads from memory: %s", async (read, isRecalled) => {
	const count = { recalled: 0 };
	const { play } = startIsolate(count);
	for (let view = 0; view < 3; view++) {
		await play({ kind: "poll" });
		await play({
			...{ kind: "ask", read, credentials: 1 },
			...{ fields: {}, returned: "token" },
		});
	}
	expect(count.recalled > 0).toBe(isRecalled);
});

it("gives the pipeline's answer, after policies of a table have begun to read claims", async () => {
	const count = { recalled: 0 };
	const { play, migrate } = startIsolate(count);
	const readNotes = (credentials: number) =>
		play({
			...{ kind: "ask", read: "notes", credentials },
			...{ fields: {}, returned: "none" },
		});
	for (const catalog of [OPEN, CINEMA]) {
		migrate(catalog);
		// A caller without these claims has the same key by both policies.
		for (let view = 0; view < 3; view++) {
			await play({ kind: "poll" });
			await readNotes(WITHOUT_SUB);
		}
	}
	await readNotes(ADA);
	expect(count.recalled).toBeGreaterThan(0);
});

it("waits for a poll where its user has written in the isolate, without a token of the write", async () => {
	const count = { recalled: 0 };
	const { play, write } = startIsolate(count);
	const read = (credentials: number) =>
		play({
			...{ kind: "ask", read: "films", credentials },
			...{ fields: {}, returned: "none" },
		});
	for (let view = 0; view < 3; view++) {
		await play({ kind: "poll" });
		for (const credentials of [1, 2]) await read(credentials);
	}
	count.recalled = 0;
	await write(1);
	await read(1);
	expect(count.recalled).toBe(0);
	await read(2);
	expect(count.recalled).toBe(1);
});

/** A gateway in one isolate, which learns nothing of the feed while a read is asked twice, unless it needs to. */
function startIsolate(count: { recalled: number }) {
	let ms = NOW;
	const feed = startFeed({
		now: () => ms,
		pause: () => scheduler.wait(0),
		catalog: CINEMA,
	});
	let answered = 0;
	const { fullPath } = startGateway({
		now: () => ms,
		feed,
		env: { SERVER_TIMING_ROLES: "anon,authenticated" },
		application: { routes: { "/reads": routes() } },
		answer({ method }) {
			answered += 1;
			// The database names the transaction of a write: nobody polls for it until its user reads.
			if (method === "PATCH")
				return new Response(null, {
					status: 204,
					headers: { "Postern-Transaction": "0123456789abcdef.7" },
				});
			return rows(JSON.stringify([{ answered }]), {
				headers: { "Content-Range": "0-0/*" },
			});
		},
	});
	let etag = '"none"';
	let token = "0";

	const ask = (path: string, headers: HeadersInit) =>
		fullPath(new Request(`https://gateway.example${path}`, { headers }));

	async function askTwice(asked: Asking): Promise<void> {
		const headers = new Headers({
			...asked.fields,
			...CREDENTIALS[asked.credentials],
		});
		if (asked.returned === "etag") headers.set("If-None-Match", etag);
		if (asked.returned === "token") headers.set("Postern-Token", token);
		const answer = await ask(`/reads/${asked.read}`, headers);
		etag = answer.headers.get("ETag") ?? etag;
		token = answer.headers.get("Postern-Token") ?? token;
		const phases = answer.headers.get("Server-Timing") ?? "";
		if (phases.includes("postern-plan")) return;
		count.recalled += 1;
		const again = await ask(`/reads/${asked.read}?by=pipeline`, headers);
		expect(again.headers.get("Server-Timing")).toContain("postern-plan");
		expect(await partsOf(answer)).toEqual(await partsOf(again));
	}

	return {
		migrate: feed.migrate,
		write: (credentials: number) =>
			fullPath(
				new Request("https://gateway.example/rest/v1/studios?id=eq.1", {
					method: "PATCH",
					headers: CREDENTIALS[credentials] ?? {},
					body: "{}",
				}),
			),
		async play(
			one: typeof step extends fc.Arbitrary<infer One> ? One : never,
		): Promise<void> {
			switch (one.kind) {
				case "ask":
					return askTwice(one);
				case "wait":
					ms += one.ms;
					return;
				case "commit":
					return feed.commit(one.tag);
				case "poll":
					ms += 6_000;
					await ask("/reads/films?by=pipeline", {});
			}
		},
	};
}

function routes() {
	const router = createRouter();
	router.get("/:read", async (context) => {
		const name = context.req.param("read");
		const { database } = context.var;
		const found = [];
		for (const text of READS[name] ?? []) {
			const url = new URL(text, "http://x");
			const query = database
				.from(url.pathname.slice(1))
				.select(
					url.searchParams.get("select") ?? "*",
					name === "counted" ? { count: "exact" } : {},
				);
			if (url.searchParams.has("id")) query.eq("id", 1);
			if (context.req.query("by") === "pipeline")
				query.setHeader("X-Other", "1");
			const { data, count, status, statusText } = await query;
			found.push({ data, count, status, statusText });
		}
		return context.json(found);
	});
	return router;
}

async function partsOf(response: Response) {
	const { status, statusText, headers } = response;
	const fields = [...headers].filter(
		([name]) => !["content-length", "server-timing"].includes(name),
	);
	return { status, statusText, fields, body: await response.text() };
}
