// The fast path gives the answer of the full path, or none: with any credentials, directives, conditions, ranges, origins, clocks,
// views and policies. Each request is asked of both, which share one isolate.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { READS } from "../../../test/support/transparency/requests.ts";
import type { Identity } from "../../src/identity/identity.ts";
import { createPlanner } from "../../src/planner/planner.ts";
import {
	answeringKeys,
	knownKeys,
	PUBLISHABLE,
	SECRET_KEY,
} from "../support/api-keys.ts";
import { rows } from "../support/cache.ts";
import {
	CINEMA,
	catalogOf,
	cinema,
	parsedCatalog,
	table,
} from "../support/catalog.ts";
import { startGateway } from "../support/gateway.ts";
import { mapNamespace } from "../support/kv.ts";
import { startFeed } from "../support/memory-feed.ts";
import { NOW, NOW_SECONDS, tokenFor } from "../support/tokens.ts";

/** Each asks some dozens of requests. 500, which are 24,000 requests, were tried. */
const RUNS = 15;

const FILMS_OF_200 = `/rest/v1/films?title=eq.${"a".repeat(200)}`;

/** Longer than the full path takes for an answer that needs no poll. */
const HELD_MS = 500;

type Fields = Readonly<Record<string, string>>;

interface Asking {
	readonly kind: "ask";
	readonly path: string;
	readonly fields: Fields;
	readonly credentials: number;
	/** What the last answer with an ETag or token is sent back as. */
	readonly returned: "none" | "etag" | "weak etag" | "token" | "both";
}

type Step =
	| Asking
	| { readonly kind: "wait"; readonly ms: number }
	| { readonly kind: "commit"; readonly tag: string }
	| { readonly kind: "migrate"; readonly to: number }
	| { readonly kind: "settle" };

const FILM = { id: "integer", title: "text" };

/** Policies of notes that read claims, and that read none; a film that may be a little older. */
const CATALOGS = [
	CINEMA,
	catalogOf({
		relations: [
			table("films", FILM),
			table("studios", { id: "integer", name: "text" }),
			table("notes", { id: "integer", owner: "text" }),
			table("hasty", { id: "integer" }, { maxStalenessSeconds: 2 }),
		],
	}),
];

const ADA = 1;
const WITHOUT_SUB = 3;

const CREDENTIALS: readonly Fields[] = [
	{},
	bearer(await tokenFor()),
	bearer(await tokenFor({ sub: "bob" })),
	bearer(await tokenFor({ sub: undefined })),
	bearer(await tokenFor({ sub: "cyd", exp: NOW_SECONDS + 3 })),
	bearer(await tokenFor({ sub: "dan", role: "anon" })),
	bearer(await tokenFor({ nbf: NOW_SECONDS + 60 })),
	{ authorization: "Basic YTpi" },
	{ authorization: `bearer  ${await tokenFor()}` },
	{ apikey: PUBLISHABLE },
	{ apikey: SECRET_KEY },
	{ apikey: "" },
	{ apikey: PUBLISHABLE, ...bearer(await tokenFor()) },
	{ apikey: SECRET_KEY, ...bearer(await tokenFor()) },
	{ apikey: PUBLISHABLE, ...bearer(PUBLISHABLE) },
];

const PATHS = [
	"/rest/v1/films",
	"/rest/v1/films?select=id&id=eq.1",
	"/rest/v1/films?select=*,studios(name)",
	"/rest/v1/notes",
	"/rest/v1/hasty",
	"/rest/v1/rpc/add?a=1",
	"/rest/v1/clock",
	"/rest/v%31/films",
	"/rest/v1/../v1/films",
	"/rest/v1/films/",
	"/rest/v1/",
	"/rest/v1",
	"/health",
];

/** The reads of the table of promise 1. */
const OF_TABLE = Object.values(READS)
	.flat()
	.filter(({ method }) => method === "GET");

/** Values of each header, each as likely as its absence is. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
	accept: [
		"*/*",
		"application/json",
		"text/csv",
		"application/vnd.pgrst.object+json",
		"",
	],
	prefer: ["count=exact", "count=planned", "tx=rollback", ""],
	range: ["0-1", "1-", ""],
	"range-unit": ["items", ""],
	"accept-profile": ["api", "public", "other", "postern", ""],
	"content-profile": ["public", "postern"],
	"cache-control": [
		"no-cache",
		"no-store",
		"max-age=0",
		"max-age=1",
		"max-age=3",
		"min-fresh=2",
		"max-age=1, max-stale=2",
		"only-if-cached",
		"stale-if-error=0",
	],
	pragma: ["no-cache"],
	"if-none-match": ["*", '"other"'],
	"postern-token": ["0", "epoch1.objectRun1.zzzzzzzzz", "%"],
	origin: ["https://app.example", "https://other.example"],
	connection: ["close", "close, prefer", "keep-alive"],
	"postern-explain": ["1"],
	"x-request-id": ["1"],
	cookie: ["a=1"],
};

const fields: fc.Arbitrary<Fields> = fc
	.uniqueArray(
		fc
			.constantFrom(...Object.keys(FIELDS))
			.chain((name) =>
				fc.tuple(fc.constant(name), fc.constantFrom(...(FIELDS[name] ?? []))),
			),
		{ maxLength: 2, selector: ([name]) => name },
	)
	.map((pairs) => Object.fromEntries(pairs));

const asking: fc.Arbitrary<Asking> = fc.record({
	kind: fc.constant("ask"),
	// Few of each, so that most questions are asked again.
	path: fc.oneof(
		{
			weight: 3,
			arbitrary: fc.constantFrom("/rest/v1/films", "/rest/v1/notes"),
		},
		{ weight: 1, arbitrary: fc.constantFrom(...PATHS) },
	),
	fields: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, fields),
	credentials: fc.oneof(
		{ weight: 3, arbitrary: fc.nat(1) },
		{ weight: 2, arbitrary: fc.nat(4) },
		{ weight: 1, arbitrary: fc.nat(CREDENTIALS.length - 1) },
	),
	returned: fc.constantFrom(
		"none",
		"none",
		"etag",
		"weak etag",
		"token",
		"both",
	),
});

const step: fc.Arbitrary<Step> = fc.oneof(
	{ weight: 24, arbitrary: asking },
	{
		weight: 2,
		arbitrary: fc.record({
			kind: fc.constant("wait"),
			ms: fc.constantFrom(1, 400, 999, 1_500, 2_600, 4_000, 6_000, 61_000),
		}),
	},
	{
		weight: 1,
		arbitrary: fc.record({
			kind: fc.constant("commit"),
			tag: fc.constantFrom("api.films", "api.notes", "api.studios"),
		}),
	},
	{
		weight: 1,
		arbitrary: fc.record({ kind: fc.constant("migrate"), to: fc.nat(1) }),
	},
	{ weight: 2, arbitrary: fc.record({ kind: fc.constant("settle") }) },
);

const story = fc.record({
	corsOrigins: fc.constantFrom("*", "https://app.example,https://b.example"),
	steps: fc.array(step, { minLength: 40, maxLength: 80 }),
});

it("is the full path's answer, for random requests", {
	timeout: 120_000,
}, async () => {
	const count = { asked: 0, fast: 0 };
	await fc.assert(
		fc.asyncProperty(story, async ({ corsOrigins, steps }) => {
			const isolate = startIsolate(corsOrigins);
			for (const step of steps) await isolate.play(step, count);
		}),
		{ numRuns: RUNS },
	);
	expect(count.fast).toBeGreaterThan(0);
});

it("is the full path's answer, for each GET of the table of promise 1", async () => {
	const count = { asked: 0, fast: 0 };
	const isolate = startIsolate("*");
	for (const { path, headers = {} } of OF_TABLE) {
		const texts = Object.entries(headers).map(([name, value]) => [
			name,
			String(value),
		]);
		const asking: Asking = {
			kind: "ask",
			path: `/rest/v1${path}`,
			fields: Object.fromEntries(texts),
			credentials: 1,
			returned: "none",
		};
		for (let times = 0; times < 3; times++) await isolate.play(asking, count);
	}
	expect(count.fast).toBeGreaterThan(count.asked / 20);
});

it("is the full path's answer, after policies of a table have begun to read claims", async () => {
	const count = { asked: 0, fast: 0 };
	const { play } = startIsolate("*");
	const askAs = async (credentials: number, times: number) => {
		for (let time = 0; time < times; time++)
			await play(
				{
					...{ kind: "ask", path: "/rest/v1/notes", fields: {} },
					...{ credentials, returned: "none" },
				},
				count,
			);
	};
	for (const to of [1, 0]) {
		await play({ kind: "migrate", to }, count);
		// A caller without these claims has the same key by both policies. Each wait ends with a new view.
		for (let view = 0; view < 3; view++) {
			await play({ kind: "wait", ms: 6_000 }, count);
			await askAs(WITHOUT_SUB, 3);
		}
	}
	await askAs(ADA, 2);
	expect(count.fast).toBeGreaterThan(2);
});

it("is the full path's answer, for paths that end as a known one", async () => {
	const count = { asked: 0, fast: 0 };
	const { play } = startIsolate("*");
	for (let view = 0; view < 3; view++) {
		await play({ kind: "wait", ms: 6_000 }, count);
		for (const root of ["/rest/v1", "/rest/v2", "/auth/v1", "/a/b"])
			for (let times = 0; times < 3; times++)
				await play(
					{
						...{ kind: "ask", path: `${root}/films`, fields: {} },
						...{ credentials: 0, returned: "none" },
					},
					count,
				);
	}
	expect(count.fast).toBeGreaterThan(2);
});

it("is the full path's answer, where that repeats the client's X-Request-Id", async () => {
	const count = { asked: 0, fast: 0 };
	const { play } = startIsolate("*");
	for (let view = 0; view < 3; view++) {
		await play({ kind: "wait", ms: 6_000 }, count);
		for (let times = 0; times < 3; times++)
			await play(
				{
					...{ kind: "ask", path: "/rest/v1/films", credentials: 0 },
					...{ fields: { "x-request-id": "1" }, returned: "none" },
				},
				count,
			);
	}
});

it.each<[fields: Fields, of: string]>([
	[{ connection: "close, prefer" }, "that Connection takes away"],
	[{ "content-profile": "postern" }, "of a schema that is refused"],
	[{ "postern-explain": "1" }, "that asks for an explanation"],
])("is the full path's answer, with a header %o %s", async (fields) => {
	const count = { asked: 0, fast: 0 };
	const { play } = startIsolate("*");
	const prefer = "count=exact";
	const ask = (fields: Fields) =>
		play(
			{
				...{ kind: "ask", path: "/rest/v1/films", fields },
				...{ credentials: 0, returned: "none" },
			},
			count,
		);
	for (let view = 0; view < 3; view++) {
		await play({ kind: "wait", ms: 6_000 }, count);
		for (let times = 0; times < 3; times++) await ask({ prefer });
	}
	expect(count.fast).toBeGreaterThan(2);
	await ask({ prefer, ...fields });
});

it.each<[of: string, env: Fields, asked: { path: string; fields: Fields }]>([
	[
		"whose URL is a hit's, spelled longer than SIZE_LIMITS allows",
		{ SIZE_LIMITS: "url=512" },
		{ path: `/rest/v1/films?title=eq.${"%61".repeat(200)}`, fields: {} },
	],
	[
		"with directives that NO_CACHE_ROLES keeps from its caller",
		{ NO_CACHE_ROLES: "service" },
		{ path: FILMS_OF_200, fields: { "cache-control": "max-age=3" } },
	],
	[
		"with Pragma, which NO_CACHE_ROLES keeps from its caller",
		{ NO_CACHE_ROLES: "service" },
		{ path: FILMS_OF_200, fields: { pragma: "min-fresh=2" } },
	],
])("is the full path's answer to a request %s", async (_, env, asked) => {
	const count = { asked: 0, fast: 0 };
	const { play } = startIsolate("*", env);
	const ask = (path: string, fields: Fields) =>
		play(
			{ kind: "ask", path, fields, credentials: 0, returned: "none" },
			count,
		);
	for (let view = 0; view < 3; view++) {
		await play({ kind: "wait", ms: 6_000 }, count);
		for (let times = 0; times < 3; times++) await ask(FILMS_OF_200, {});
	}
	expect(count.fast).toBeGreaterThan(2);
	for (let times = 0; times < 3; times++) await ask(asked.path, asked.fields);
});

it("is left to the full path where that puts the answer into KV, and then given", async () => {
	let ms = NOW;
	const feed = startFeed({
		now: () => ms,
		pause: () => scheduler.wait(0),
		catalog: CINEMA,
	});
	let puts = 0;
	const { fastPath, request } = startGateway({
		now: () => ms,
		feed,
		kv: {
			get: async () => null,
			async put() {
				puts += 1;
			},
		},
		answer: () => rows("[]"),
	});
	const films = "/rest/v1/films";
	const ofFastPath = () =>
		fastPath(new Request(`https://gateway.example${films}`));
	await request("/rest/v1/notes");
	// Plans the question, and keeps nothing.
	for (let times = 0; times < 3; times++)
		await request(films, { headers: { "Cache-Control": "no-store" } });
	await request(films);
	ms += 6_000;
	// Brings a view that covers the answer.
	await request(`${films}?limit=1`);
	expect([ofFastPath(), puts]).toEqual([undefined, 0]);
	await request(films);
	expect([ofFastPath()?.status, puts]).toEqual([200, 1]);
});

it("is left to the full path while a changed policy is known of, and not read yet", async () => {
	let ms = NOW;
	const feed = startFeed({ now: () => ms, catalog: CATALOGS[1] ?? {} });
	const kv = mapNamespace();
	const background: Promise<unknown>[] = [];
	const startIsolate = () =>
		startGateway({
			...{ now: () => ms, feed, kv, env: { KV_FROM_ASK: "1" } },
			waitUntil: (promise) => background.push(promise),
			answer: () => rows("[]"),
		});
	const [isolate, other] = [startIsolate(), startIsolate()];
	const [ada, nobody] = [
		CREDENTIALS[ADA] ?? {},
		CREDENTIALS[WITHOUT_SUB] ?? {},
	];
	const notes = "/rest/v1/notes";
	const ofFastPath = (headers: Fields) =>
		isolate.fastPath(
			new Request(`https://gateway.example${notes}`, { headers }),
		);
	// Both callers and the question become known, and nothing is kept.
	for (const headers of [ada, nobody])
		await isolate.request(notes, {
			headers: { ...headers, "Cache-Control": "no-store" },
		});
	feed.migrate(CINEMA);
	await other.request("/rest/v1/films", {
		headers: { "Cache-Control": "max-age=0" },
	});
	// A caller without the claims that the policy reads now has the same key by both policies.
	await other.request(notes, { headers: nobody });
	await Promise.all(background.splice(0));
	await isolate.request(notes, { headers: nobody });
	ms += 3_000;
	// Brings a view that shows the change, in the background.
	await isolate.request("/rest/v1/films");
	await Promise.all(background.splice(0));
	expect(ofFastPath(ada)).toBeUndefined();
	// Reads the policies.
	await isolate.request(notes, { headers: nobody });
	expect([ofFastPath(ada), ofFastPath(nobody)?.status]).toEqual([
		undefined,
		200,
	]);
});

describe("a planner that remembers plans as one that does not", () => {
	const settings = {
		schemas: ["api", "other"],
		maxStalenessMs: 5_000,
		audienceOf: () => "postgrest",
	};
	const ada = { role: "authenticated", claims: { sub: "ada" } };
	/** Objects of their own, as each token has one. */
	const callers = [
		...[ada, { ...ada, claims: { sub: "grace" } }, structuredClone(ada)],
		...[
			{ ...ada, role: "editor" },
			{ role: "anon", claims: {} },
		],
	];

	/** Policies of notes that read no claims. */
	const others = parsedCatalog(CATALOGS[1]);
	const paths = [
		...["/films", "/notes", "/claimed", "/color_films"],
		...["/signed", "/themed", "/tailored"],
	];
	/** What policies read, each of them as likely absent. */
	const readFields = fc.record(
		{
			"x-client-info": fc.constantFrom("web", "phone"),
			cookie: fc.constantFrom("theme=dark", "theme=light"),
		},
		{ requiredKeys: [] },
	);

	/** Plans both ways. @returns the function, with one memory for all its calls */
	function startComparison() {
		const warm = createPlanner(settings);
		return (
			path: string,
			init: RequestInit,
			caller: Identity = ada,
			catalog = cinema,
		) => {
			const request = new Request(`http://postgrest${path}`, init);
			const ask = ({ plan }: typeof warm) => plan(catalog, request, caller);
			expect(ask(warm)).toEqual(ask(createPlanner(settings)));
		};
	}

	it("plans random requests", () => {
		const compare = startComparison();
		fc.assert(
			fc.property(
				fc.constantFrom(...paths),
				fc.oneof(fc.constant({}), fields),
				readFields,
				fc.constantFrom("GET", "HEAD"),
				fc.constantFrom(...callers),
				fc.oneof(
					{ weight: 49, arbitrary: fc.constant(cinema) },
					{ weight: 1, arbitrary: fc.constant(others) },
				),
				(path, headers, read, method, caller, catalog) =>
					compare(
						path,
						{ method, headers: { ...headers, ...read } },
						caller,
						catalog,
					),
			),
			{ numRuns: 1_000 },
		);
	});

	it("tells an empty header from an absent one", () => {
		const compare = startComparison();
		for (const name of ["range-unit", "range", "prefer", "accept-profile"])
			compare("/films", { headers: { [name]: "" } });
	});
});

/** A gateway in one isolate. It learns nothing of the feed while both paths are asked, unless the full path needs it. */
function startIsolate(corsOrigins: string, env: Fields = {}) {
	let ms = NOW;
	/** Ends when the feed may answer. */
	let held: Promise<unknown> = Promise.resolve();
	const background: Promise<unknown>[] = [];
	const feed = startFeed({
		now: () => ms,
		pause: () => scheduler.wait(0),
		catalog: CINEMA,
	});
	const keys = answeringKeys(knownKeys());
	let answered = 0;
	const { fastPath, fullPath } = startGateway({
		now: () => ms,
		feed: {
			...feed,
			async sync(request) {
				const answer = await feed.sync(request);
				await held;
				return answer;
			},
		},
		waitUntil: (promise) => background.push(promise),
		env: {
			CORS_ORIGINS: corsOrigins,
			DB_SCHEMAS: "api,other",
			PROFILE_ALIASES: "public=api",
			...env,
		},
		answer(received) {
			if (received.url.pathname.startsWith("/rpc/find_api_key"))
				return keys(received);
			answered += 1;
			const id = received.headers.get("x-request-id");
			return rows(JSON.stringify([{ answered }]), {
				headers: {
					"Content-Profile": received.headers.get("accept-profile") ?? "api",
					...(answered % 3 === 0 && { Vary: "Accept, Accept-Encoding" }),
					...(id !== null && { "X-Request-Id": id }),
				},
			});
		},
	});
	let etag = '"none"';
	let token = "0";

	async function ask(asking: Asking, count: { asked: number; fast: number }) {
		const { path, fields, returned } = asking;
		const headers = new Headers({
			...fields,
			...CREDENTIALS[asking.credentials],
		});
		if (returned === "etag" || returned === "both")
			headers.set("If-None-Match", etag);
		if (returned === "weak etag")
			headers.set("If-None-Match", `"a", W/${etag}`);
		if (returned === "token" || returned === "both")
			headers.set("Postern-Token", token);
		const url = `https://gateway.example${path}`;
		const { promise, resolve: release } = Promise.withResolvers<unknown>();
		held = promise;
		// What the feed has answered until now is learned before this ends.
		await scheduler.wait(0);
		const fast = fastPath(new Request(url, { headers }));
		const answering = fullPath(new Request(url, { headers }));
		release(fast && Promise.race([answering, scheduler.wait(HELD_MS)]));
		const full = await answering;
		etag = full.headers.get("ETag") ?? etag;
		token = full.headers.get("Postern-Token") ?? token;
		count.asked += 1;
		const told = await partsOf(full);
		if (fast === undefined) return;
		count.fast += 1;
		expect(await partsOf(fast)).toEqual(told);
	}

	return {
		async play(step: Step, count: { asked: number; fast: number }) {
			switch (step.kind) {
				case "ask":
					return ask(step, count);
				case "wait":
					ms += step.ms;
					return;
				case "commit":
					return feed.commit(step.tag);
				case "migrate":
					return feed.migrate(CATALOGS[step.to] ?? {});
				case "settle":
					await Promise.all(background.splice(0));
			}
		},
	};
}

async function partsOf(response: Response) {
	const { status, statusText, headers } = response;
	const fields = [...headers].filter(([name]) => name !== "content-length");
	return { status, statusText, fields, body: await response.text() };
}

function bearer(token: string): Fields {
	return { authorization: `Bearer ${token}` };
}
