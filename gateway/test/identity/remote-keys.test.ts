// An issuer that publishes its keys: how long they are used, when they are fetched, and what an outage does.
import { describe, expect, it, vi } from "vitest";
import { createKeyStore } from "../../src/identity/remote-keys.ts";
import type { Namespace } from "../../src/kv/sealed-values.ts";
import type { Fetch } from "../../src/origin/send.ts";
import { bytesOf } from "../support/cache.ts";
import { refusal, startGateway } from "../support/gateway.ts";
import { kvOf, mapNamespace } from "../support/kv.ts";
import {
	ADA,
	makeKey,
	NOW,
	type SigningKey,
	tokenFor,
} from "../support/tokens.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const FRESH = 10 * MINUTE;
const COOL_DOWN = 30 * SECOND;
const USABLE = 24 * HOUR;

const KEYS_URL = "https://login.example/keys";
const ISSUERS = JSON.stringify([
	{ issuer: "https://login.example", audience: "notes", jwksUrl: KEYS_URL },
]);

const FIRST = await makeKey("first");
const SECOND_KEY = await makeKey("second");

/** What the issuer answers when it is asked for its keys. */
type Publication = (request: Request) => Promise<Response> | Response;

const publish =
	(...keys: SigningKey[]): Publication =>
	() =>
		Response.json({ keys: keys.map(({ publicJwk }) => publicJwk) });

/** An issuer, a clock, and isolates that ask the one and are told the other's time. */
function startIssuer(publication: Publication, kv?: Namespace) {
	const fetches: Request[] = [];
	const issuer = { publication, time: NOW, fetches, isolate };
	const fetchKeys: Fetch = async (request) => {
		fetches.push(request);
		return issuer.publication(request);
	};
	return issuer;

	/** A gateway that has just begun; `ask` is a request with a token that this key signed. */
	function isolate() {
		const { request, logged } = startGateway({
			env: { ISSUERS },
			now: () => issuer.time,
			fetchKeys,
			...(kv === undefined ? {} : { kv }),
		});
		return {
			logged,
			async ask(key: SigningKey = FIRST): Promise<number | string> {
				const exp = Math.floor(issuer.time / SECOND) + 60;
				const claims = { iss: "https://login.example", aud: "notes", exp };
				const token = await tokenFor(claims, { key });
				const response = await request("/rest/v1/notes", { token });
				return response.ok ? response.status : (await refusal(response)).code;
			},
		};
	}
}

describe("the keys of an issuer", () => {
	it("are not fetched before a request has a token of the issuer", async () => {
		const fetchKeys = vi.fn(async () => Response.json({ keys: [] }));
		const { request } = startGateway({ env: { ISSUERS }, fetchKeys });
		await request("/rest/v1/notes");
		await request("/rest/v1/notes", { token: await tokenFor() });
		await request("/rest/v1/notes", {
			token: await tokenFor({ iss: "https://other.example" }),
		});
		expect(fetchKeys).not.toHaveBeenCalled();
	});

	it("are fetched from their URL, without following a redirect", async () => {
		const issuer = startIssuer(publish(FIRST));
		await issuer.isolate().ask();
		const [request] = issuer.fetches;
		expect([
			request?.method,
			request?.url,
			request?.redirect,
			request?.headers.get("accept"),
			request?.headers.has("authorization"),
		]).toEqual([
			"GET",
			KEYS_URL,
			"manual",
			"application/json, application/jwk-set+json",
			false,
		]);
	});

	it("are fetched once for many tokens", async () => {
		const issuer = startIssuer(publish(FIRST, SECOND_KEY));
		const { ask } = issuer.isolate();
		const answers = [await ask(), await ask(SECOND_KEY), await ask()];
		expect([answers, issuer.fetches.length]).toEqual([[200, 200, 200], 1]);
	});

	it("are used for ten minutes", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.time += FRESH - 1;
		expect([await ask(), issuer.fetches.length]).toEqual([200, 1]);
	});

	it("are fetched again after that", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.time += FRESH;
		expect([await ask(), issuer.fetches.length]).toEqual([200, 2]);
	});

	it("are asked for by every one of the requests that find none", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		const answers = await Promise.all([ask(), ask(), ask(), ask()]);
		expect(answers).toEqual([200, 200, 200, 200]);
	});

	it("are asked for by one of the requests that find old ones", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.time += FRESH + 1;
		const answers = await Promise.all([ask(), ask(), ask(), ask()]);
		expect([answers, issuer.fetches.length]).toEqual([[200, 200, 200, 200], 2]);
	});
});

describe("a key that is new", () => {
	it("is taken at once", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = publish(FIRST, SECOND_KEY);
		issuer.time += COOL_DOWN;
		expect([await ask(SECOND_KEY), issuer.fetches.length]).toEqual([200, 2]);
	});

	it.each([
		["under the kid of the one before", { kid: "first" }],
		["without a kid", { kid: undefined }],
	])("is taken at once %s", async (_, changes) => {
		const publishAs = (key: SigningKey) => () =>
			Response.json({ keys: [{ ...key.publicJwk, ...changes }] });
		const signed = (key: SigningKey) => ({ ...key, ...changes }) as SigningKey;
		const issuer = startIssuer(publishAs(FIRST));
		const { ask } = issuer.isolate();
		const before = await ask(signed(FIRST));
		issuer.publication = publishAs(SECOND_KEY);
		issuer.time += COOL_DOWN;
		expect([
			before,
			await ask(signed(SECOND_KEY)),
			await ask(signed(FIRST)),
			issuer.fetches.length,
		]).toEqual([200, 200, "token_rejected", 2]);
	});

	it("leaves the one before in use", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = publish(FIRST, SECOND_KEY);
		issuer.time += COOL_DOWN;
		await ask(SECOND_KEY);
		expect([await ask(FIRST), issuer.fetches.length]).toEqual([200, 2]);
	});

	it("is taken at once where the store fails, too", async () => {
		const store: Namespace = {
			get: async () => null,
			put: () => Promise.reject(new Error("the store is full")),
		};
		const issuer = startIssuer(publish(FIRST), store);
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = publish(FIRST, SECOND_KEY);
		issuer.time += COOL_DOWN;
		expect(await ask(SECOND_KEY)).toBe(200);
	});
});

describe("a key that was not published", () => {
	it("is refused", async () => {
		const issuer = startIssuer(publish(FIRST));
		expect(await issuer.isolate().ask(SECOND_KEY)).toBe("token_rejected");
	});

	it("does not have the keys fetched right after they were", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.time += COOL_DOWN - 1;
		const answers = [await ask(SECOND_KEY), await ask(SECOND_KEY)];
		expect([answers, issuer.fetches.length]).toEqual([
			["token_rejected", "token_rejected"],
			1,
		]);
	});

	it("has them fetched once a cool-down, however often it comes", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		const fetches = [];
		for (let round = 0; round < 3; round++) {
			issuer.time += COOL_DOWN;
			for (let attempt = 0; attempt < 5; attempt++) {
				await ask(SECOND_KEY);
				issuer.time += 1;
			}
			fetches.push(issuer.fetches.length);
		}
		expect(fetches).toEqual([2, 3, 4]);
	});

	it("has them fetched once where it comes many times at once", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.time += COOL_DOWN;
		await Promise.all(Array.from({ length: 8 }, () => ask(SECOND_KEY)));
		expect(issuer.fetches.length).toBe(2);
	});

	it("does not make the others wait", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.time += COOL_DOWN;
		issuer.publication = () => new Promise(() => {});
		const pending = ask(SECOND_KEY);
		expect(await Promise.race([ask(), pending])).toBe(200);
	});

	it("is refused, and no more, while the issuer does not answer", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = () => new Response(null, { status: 500 });
		issuer.time += COOL_DOWN;
		expect([await ask(SECOND_KEY), await ask()]).toEqual([
			"token_rejected",
			200,
		]);
	});
});

describe("a key that the issuer took back", () => {
	it("is refused within ten minutes", async () => {
		const issuer = startIssuer(publish(FIRST, SECOND_KEY));
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = publish(SECOND_KEY);
		issuer.time += FRESH;
		expect([await ask(FIRST), await ask(SECOND_KEY)]).toEqual([
			"token_rejected",
			200,
		]);
	});

	it("is refused as soon as a new key is seen", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = publish(SECOND_KEY);
		issuer.time += COOL_DOWN;
		await ask(SECOND_KEY);
		expect(await ask(FIRST)).toBe("token_rejected");
	});

	it("is refused ten minutes after its last fetch by any isolate", async () => {
		const issuer = startIssuer(publish(FIRST), mapNamespace());
		await issuer.isolate().ask();
		issuer.publication = publish(SECOND_KEY);
		issuer.time += FRESH - 1;
		const { ask } = issuer.isolate();
		const before = await ask(FIRST);
		issuer.time += 1;
		expect([before, await ask(FIRST)]).toEqual([200, "token_rejected"]);
	});
});

/** Each way of an issuer not to answer with its keys. */
const OUTAGES: [string, Publication][] = [
	["answers 500", () => new Response("no", { status: 500 })],
	["answers 404", () => Response.json({ keys: [] }, { status: 404 })],
	["answers 204", () => new Response(null, { status: 204 })],
	["answers 203", () => Response.json({ keys: [] }, { status: 203 })],
	[
		"sends the gateway elsewhere",
		() => Response.redirect("https://evil.example/keys", 302),
	],
	["cannot be reached", () => Promise.reject(new TypeError("refused"))],
	[
		"is too slow",
		() => Promise.reject(new DOMException("too slow", "TimeoutError")),
	],
	["answers in HTML", () => new Response("<html>login</html>")],
	["answers nothing", () => new Response("")],
	["answers with half of it", () => new Response('{"keys":[')],
	[
		"answers too much",
		() => Response.json({ keys: [], padding: "x".repeat(262_144) }),
	],
	[
		"breaks off",
		() =>
			new Response(
				new ReadableStream({
					start: (controller) => controller.error(new Error("broken off")),
				}),
			),
	],
	...[
		null,
		[],
		"keys",
		1,
		{},
		{ keys: {} },
		{ keys: [1] },
		{ keys: [null] },
	].map((json): [string, Publication] => [
		`answers ${JSON.stringify(json)}`,
		() => Response.json(json),
	]),
];

describe.each(OUTAGES)("an issuer that %s", (_, outage) => {
	it("has its tokens accepted for a day", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = outage;
		const answers = [];
		for (const age of [FRESH, HOUR, USABLE - 1]) {
			issuer.time = NOW + age;
			answers.push(await ask());
		}
		expect(answers).toEqual([200, 200, 200]);
	});

	it("is unreachable after that", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = outage;
		issuer.time += USABLE;
		expect(await ask()).toBe("issuer_unreachable");
	});

	it("is unreachable where there never were any keys", async () => {
		const issuer = startIssuer(outage);
		const { ask, logged } = issuer.isolate();
		expect([await ask(), logged.length]).toEqual(["issuer_unreachable", 1]);
	});

	it("has its tokens accepted as soon as it is well again", async () => {
		const issuer = startIssuer(outage);
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = publish(FIRST);
		expect(await ask()).toBe(200);
	});

	it("does not lose the keys that the store has", async () => {
		const store = mapNamespace();
		const issuer = startIssuer(publish(FIRST), store);
		await issuer.isolate().ask();
		issuer.publication = outage;
		issuer.time += HOUR;
		expect(await issuer.isolate().ask()).toBe(200);
	});

	it("is asked again once a cool-down", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = outage;
		issuer.time += FRESH;
		await ask();
		await ask();
		issuer.time += COOL_DOWN - 1;
		await ask();
		const before = issuer.fetches.length;
		issuer.time += 1;
		await ask();
		expect([before, issuer.fetches.length]).toEqual([2, 3]);
	});
});

describe("an issuer that never answers", () => {
	/** Answers when the request is given up. */
	const silence: Publication = ({ signal }) =>
		new Promise((_, reject) => {
			signal.addEventListener("abort", () => reject(signal.reason));
		});

	it("is given up after five seconds", async () => {
		const timeout = AbortSignal.timeout.bind(AbortSignal);
		const asked: number[] = [];
		const spy = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
			asked.push(ms);
			return timeout(10);
		});
		const answer = await startIssuer(silence).isolate().ask();
		spy.mockRestore();
		expect([answer, asked]).toEqual(["issuer_unreachable", [5_000]]);
	});

	it("is waited for by one request alone, where there are old keys", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = () => new Promise(() => {});
		issuer.time += FRESH;
		const pending = ask();
		const answers = await Promise.all([ask(), ask()]);
		expect([
			answers,
			await Promise.race([pending, Promise.resolve("waits")]),
		]).toEqual([[200, 200], "waits"]);
	});

	it("is asked again by another once that one's time is over", async () => {
		const issuer = startIssuer(publish(FIRST));
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = () => new Promise(() => {});
		issuer.time += FRESH;
		const waiting = ask();
		await ask();
		issuer.publication = publish(FIRST);
		issuer.time += COOL_DOWN;
		await ask();
		expect([
			issuer.fetches.length,
			await Promise.race([waiting, Promise.resolve("waits")]),
		]).toEqual([3, "waits"]);
	});
});

describe("the store", () => {
	it("saves an isolate that has just begun the fetch", async () => {
		const issuer = startIssuer(publish(FIRST), mapNamespace());
		await issuer.isolate().ask();
		const answers = [
			await issuer.isolate().ask(),
			await issuer.isolate().ask(),
		];
		expect([answers, issuer.fetches.length]).toEqual([[200, 200], 1]);
	});

	it("is asked once by an isolate", async () => {
		const store = mapNamespace();
		const get = vi.spyOn(store, "get");
		const issuer = startIssuer(publish(FIRST), store);
		const { ask } = issuer.isolate();
		await ask();
		await ask();
		expect(get.mock.calls).toEqual([
			[
				expect.stringMatching(/^keys1:[\w-]{43}$/),
				{ type: "arrayBuffer", cacheTtl: 30 },
			],
		]);
	});

	it("keeps the age of the keys", async () => {
		const issuer = startIssuer(publish(FIRST), mapNamespace());
		await issuer.isolate().ask();
		issuer.time += FRESH;
		expect([await issuer.isolate().ask(), issuer.fetches.length]).toEqual([
			200, 2,
		]);
	});

	it("does not keep keys beyond their day", async () => {
		const issuer = startIssuer(publish(FIRST), mapNamespace());
		await issuer.isolate().ask();
		issuer.publication = () => new Response(null, { status: 500 });
		issuer.time += USABLE;
		expect(await issuer.isolate().ask()).toBe("issuer_unreachable");
	});

	it("has the newer keys after a rotation", async () => {
		const issuer = startIssuer(publish(FIRST), mapNamespace());
		const { ask } = issuer.isolate();
		await ask();
		issuer.publication = publish(SECOND_KEY);
		issuer.time += COOL_DOWN;
		await ask(SECOND_KEY);
		const fetches = issuer.fetches.length;
		expect([
			await issuer.isolate().ask(SECOND_KEY),
			issuer.fetches.length - fetches,
		]).toEqual([200, 0]);
	});

	it("does not take an isolate back to older keys than it has fetched", async () => {
		const store = mapNamespace();
		const issuer = startIssuer(publish(FIRST), store);
		await issuer.isolate().ask();
		issuer.publication = publish(SECOND_KEY);
		issuer.time += FRESH;
		// The first to ask the store is the last to hear from it.
		let answerLate = () => {};
		const get = store.get;
		store.get = async (...of) => {
			const stored = await get(...of);
			if (get !== store.get && issuer.fetches.length === 1) {
				store.get = get;
				await new Promise<void>((resolve) => {
					answerLate = resolve;
				});
			}
			return stored;
		};
		const { ask } = issuer.isolate();
		const slow = ask(SECOND_KEY);
		await vi.waitFor(() => expect(store.get).toBe(get));
		const fast = await ask(SECOND_KEY);
		answerLate();
		expect([fast, await slow, issuer.fetches.length]).toEqual([200, 200, 2]);
	});

	it.each<[string, Namespace]>([
		[
			"cannot be read",
			{
				get: () => Promise.reject(new Error("unavailable")),
				put: async () => {},
			},
		],
		[
			"cannot be written",
			{
				get: async () => null,
				put: () => Promise.reject(new Error("unavailable")),
			},
		],
	])("that %s fails no request", async (_, store) => {
		const issuer = startIssuer(publish(FIRST), store);
		const { ask } = issuer.isolate();
		expect([await ask(), await ask(), issuer.fetches.length]).toEqual([
			200, 200, 1,
		]);
	});
});

describe("what Postern itself has stored", () => {
	const ofFirst = JSON.stringify({ keys: [FIRST.publicJwk] });

	/** How often an isolate fetches keys that finds this in the store, over two requests. */
	async function fetchesWith(stored: string) {
		const kv = mapNamespace();
		await createKeyStore(kvOf(kv)).put(KEYS_URL, bytesOf(stored));
		const issuer = startIssuer(publish(FIRST), kv);
		const { ask } = issuer.isolate();
		expect([await ask(), await ask()]).toEqual([200, 200]);
		return issuer.fetches.length;
	}

	it("is used while it is fresh", async () => {
		const fetchedAt = NOW - FRESH + 1;
		expect(
			await fetchesWith(JSON.stringify({ text: ofFirst, fetchedAt })),
		).toBe(0);
	});

	it.each([
		"",
		"{",
		"null",
		"[]",
		"{}",
		'{"text":"{"}',
		'{"text":"{}","fetchedAt":0}',
		'{"text":1,"fetchedAt":"now"}',
		JSON.stringify({ text: ofFirst }),
		JSON.stringify({ text: ofFirst, fetchedAt: null }),
		JSON.stringify({ text: ofFirst, fetchedAt: NOW - FRESH }),
		JSON.stringify({ text: ofFirst, fetchedAt: NOW + 1 }),
		JSON.stringify({ text: ofFirst, fetchedAt: NOW + 365 * 24 * HOUR }),
		`{"text":${JSON.stringify(ofFirst)},"fetchedAt":1e999}`,
	])(
		"is fetched again where it is no keys, or has another time: %.60s",
		async (stored) => {
			expect(await fetchesWith(stored)).toBe(1);
		},
	);

	it("is not used while the issuer is down, where it is of the future", async () => {
		const kv = mapNamespace();
		const fetchedAt = NOW + HOUR;
		await createKeyStore(kvOf(kv)).put(
			KEYS_URL,
			bytesOf(JSON.stringify({ text: ofFirst, fetchedAt })),
		);
		const issuer = startIssuer(() => new Response(null, { status: 500 }), kv);
		expect(await issuer.isolate().ask()).toBe("issuer_unreachable");
	});
});

describe("issuers with keys of their own", () => {
	it("do not share them, though one is known and the other is not", async () => {
		const store = mapNamespace();
		const both = [
			{
				issuer: "https://a.example",
				audience: "notes",
				jwksUrl: "https://a.example/keys",
			},
			{
				issuer: "https://b.example",
				audience: "notes",
				jwksUrl: "https://b.example/keys",
			},
		];
		const { request } = startGateway({
			env: { ISSUERS: JSON.stringify(both) },
			kv: store,
			fetchKeys: async ({ url }) =>
				Response.json({
					keys: [(url.includes("//a.") ? FIRST : SECOND_KEY).publicJwk],
				}),
		});
		const answers = [];
		for (const iss of ["https://a.example", "https://b.example"]) {
			for (const key of [FIRST, SECOND_KEY]) {
				const token = await tokenFor({ ...ADA, iss, aud: "notes" }, { key });
				answers.push((await request("/rest/v1/notes", { token })).status);
			}
		}
		expect(answers).toEqual([200, 401, 401, 200]);
	});
});
