// One suite that every store passes, then one for each store.
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { type Entry, type Store, sizeOf } from "../../src/cache/entry.ts";
import { createFailOpenStore } from "../../src/kv/fail-open-store.ts";
import { KvStore } from "../../src/kv/kv-store.ts";
import {
	createSealedValues,
	type Namespace,
} from "../../src/kv/sealed-values.ts";
import { MemoryStore } from "../../src/memory/memory-store.ts";
import { bytesOf, entryOf, mapStore, tick } from "../support/cache.ts";
import { kvOf, mapNamespace } from "../support/kv.ts";
import { NOW } from "../support/tokens.ts";

/** The isolate's memory, which answers at once, as an awaited Store. */
function awaited(memory: MemoryStore<Entry>): Store {
	return {
		get: async (name) => memory.get(name),
		put: async (name, entry) => memory.put(name, entry),
	};
}

const failOpen = (store: Store) =>
	createFailOpenStore({
		store,
		now: () => NOW,
		sleep: () => new Promise(() => {}),
		log() {},
	});

const STORES: [name: string, make: () => Store][] = [
	[
		"the memory of an isolate",
		() => awaited(new MemoryStore(4_000_000, sizeOf)),
	],
	["Workers KV", () => new KvStore(kvOf(env.CACHE))],
	["Workers KV, failing open", () => failOpen(new KvStore(kvOf(env.CACHE)))],
];

const ALL_BYTES = new Uint8Array(256).map((_, index) => index);

const ENTRIES: [name: string, entry: Entry][] = [
	["an answer", entryOf()],
	["a part of one", entryOf({ status: 206, statusText: "Partial Content" })],
	["an empty list", entryOf({ body: bytesOf("[]") })],
	["no body", entryOf({ body: new Uint8Array() })],
	["no headers", entryOf({ headers: [], statusText: "" })],
	["bytes that are no text", entryOf({ body: ALL_BYTES })],
	["a body of 1 MiB", entryOf({ body: new Uint8Array(1_048_576).fill(65) })],
	[
		"headers beyond ASCII",
		entryOf({ headers: [["content-location", "/rest/v1/städte?ort=京"]] }),
	],
	[
		"several headers of a name, in their order",
		entryOf({
			headers: [
				["warning", '299 - "a"'],
				["vary", "Accept"],
				["warning", '299 - "b"'],
			],
		}),
	],
	[
		"zeros",
		entryOf({ seq: 0, filledAt: 0, feedEpoch: "", consistencyToken: "0" }),
	],
	["large numbers", entryOf({ seq: Number.MAX_SAFE_INTEGER })],
	["a broken half of a character", entryOf({ feedEpoch: "\ud800" })],
];

describe.each(STORES)("%s", (storeName, make) => {
	const store = make();
	/** A new name, because stores outlive a test. */
	const named = (name: string) => `${storeName}: ${name}`;

	it("finds no entry that was not put", async () => {
		expect(await store.get(named("never"))).toBeUndefined();
	});

	it.each(ENTRIES)("gives back %s as it was", async (name, entry) => {
		await store.put(named(name), entry);
		expect(await store.get(named(name))).toEqual(entry);
	});

	it("finds the last entry that was put under a name", async () => {
		const name = named("twice");
		await store.put(name, entryOf({ seq: 1, body: bytesOf("longer") }));
		await store.put(name, entryOf({ seq: 2, body: bytesOf("b") }));
		expect(await store.get(name)).toEqual(
			entryOf({ seq: 2, body: bytesOf("b") }),
		);
	});

	it("keeps names apart", async () => {
		await store.put(named("one"), entryOf({ seq: 1 }));
		await store.put(named("other"), entryOf({ seq: 2 }));
		expect((await store.get(named("one")))?.seq).toBe(1);
	});
});

describe("the memory of an isolate", () => {
	// With its name.
	const size = sizeOf(entryOf()) + 2;
	const names = (store: MemoryStore<Entry>) =>
		["a", "b", "c", "d"].filter((name) => store.get(name) !== undefined);

	function filled(maxBytes: number, ...puts: string[]) {
		const store = new MemoryStore(maxBytes, sizeOf);
		for (const name of puts) store.put(name, entryOf());
		return store;
	}

	it("holds no more than its bytes", () => {
		const store = filled(3 * size, "a", "b", "c", "d");
		expect(store.bytes).toBe(3 * size);
	});

	it("counts a replaced entry once", () => {
		expect(filled(3 * size, "a", "a", "a").bytes).toBe(size);
	});

	it("counts what is kept with an entry later, and makes room for it", () => {
		const store = filled(3 * size, "a", "b", "c");
		store.grow("c", size);
		expect(store.bytes).toBe(3 * size);
		expect(names(store)).toEqual(["b", "c"]);
		store.put("c", entryOf());
		expect(store.bytes).toBe(2 * size);
	});

	it("counts nothing for an entry that is gone", () => {
		const store = filled(3 * size, "a");
		store.grow("b", size);
		expect(store.bytes).toBe(size);
	});

	it("counts a body", () => {
		const body = new Uint8Array(1_000);
		expect(
			sizeOf(entryOf({ body })) - sizeOf(entryOf({ body: body.subarray(500) })),
		).toBe(500);
	});

	it("evicts the oldest entry first", () => {
		expect(names(filled(3 * size, "a", "b", "c", "d"))).toEqual([
			"b",
			"c",
			"d",
		]);
	});

	it("keeps an entry that was used since", () => {
		const store = filled(3 * size, "a", "b", "c");
		store.get("a");
		store.put("d", entryOf());
		expect(names(store)).toEqual(["a", "c", "d"]);
	});

	it("keeps an entry that was replaced since", () => {
		const store = filled(3 * size, "a", "b", "c");
		store.put("a", entryOf());
		store.put("d", entryOf());
		expect(names(store)).toEqual(["a", "c", "d"]);
	});

	it("evicts as many entries as a large one needs", () => {
		const store = filled(3 * size, "a", "b", "c");
		const body = new Uint8Array(entryOf().body.length + size);
		store.put("d", entryOf({ body }));
		expect(names(store)).toEqual(["c", "d"]);
	});

	it("evicts nothing for an entry that is larger than the whole store", () => {
		const store = filled(3 * size, "a", "b");
		store.put("d", entryOf({ body: new Uint8Array(4 * size) }));
		expect([names(store), store.bytes]).toEqual([["a", "b"], 2 * size]);
	});

	it("drops the entry that a too large one replaces", () => {
		const store = filled(3 * size, "a", "b");
		store.put("a", entryOf({ body: new Uint8Array(4 * size) }));
		expect([names(store), store.bytes]).toEqual([["b"], size]);
	});
});

describe("Workers KV", () => {
	/** A namespace that records its calls and answers each get with the value. */
	function recording(value: unknown = null) {
		const calls: unknown[] = [];
		const namespace: Namespace = {
			async get(name, options) {
				calls.push(["get", name, options]);
				// KV may hold any bytes.
				return value as ArrayBuffer | null;
			},
			async put(name, bytes, options) {
				calls.push(["put", name, bytes.byteLength > 0, options]);
			},
		};
		return { calls, store: new KvStore(kvOf(namespace)) };
	}

	/** A name in KV. Only the secret makes it. */
	const PLACE = expect.stringMatching(/^answer6:[\w-]{43}$/);

	it("is read with the shortest cacheTtl that it allows", async () => {
		const { calls, store } = recording();
		await store.get("n");
		expect(calls).toEqual([
			["get", PLACE, { type: "arrayBuffer", cacheTtl: 30 }],
		]);
	});

	it("forgets an entry after a day", async () => {
		const { calls, store } = recording();
		await store.put("n", entryOf());
		expect(calls).toEqual([["put", PLACE, true, { expirationTtl: 86_400 }]]);
	});

	it("stores the entry with its expiration", async () => {
		const places: string[] = [];
		const namespace: Namespace = {
			get: async () => null,
			put(place, ...others) {
				places.push(place);
				return env.CACHE.put(place, ...others);
			},
		};
		await new KvStore(kvOf(namespace)).put("expiring", entryOf());
		const { keys } = await env.CACHE.list({ prefix: places[0] ?? "none" });
		const inSeconds = (keys[0]?.expiration ?? 0) - Date.now() / 1_000;
		expect(inSeconds).toBeGreaterThan(86_000);
	});

	/** The bytes of an entry with a changed head. */
	function encoded(
		change: (head: Record<string, unknown>) => object,
	): ArrayBuffer {
		const { body, ...fields } = entryOf();
		const head = bytesOf(JSON.stringify(change(fields)));
		const bytes = new Uint8Array(4 + head.length + body.length);
		new DataView(bytes.buffer).setUint32(0, head.length);
		bytes.set(head, 4);
		bytes.set(body, 4 + head.length);
		return bytes.buffer;
	}

	/** What is found where Postern itself has stored these bytes. */
	async function decoded(bytes: ArrayBuffer) {
		const kv = kvOf(mapNamespace());
		await createSealedValues(kv, {
			prefix: "answer6:",
			purpose: "postern kv entry v1",
		}).put("n", bytes);
		return new KvStore(kv).get("n");
	}

	it("decodes bytes that were encoded by hand", async () => {
		expect(await decoded(encoded((head) => head))).toEqual(entryOf());
	});

	it.each([["text"], [undefined], [{}], [[]], [7]])(
		"finds no entry in a value that is no bytes: %o",
		async (value) => {
			expect(await recording(value).store.get("n")).toBeUndefined();
		},
	);

	const without = (field: string) =>
		encoded(({ [field]: _, ...others }) => others);
	const withField = (field: string, value: unknown) =>
		encoded((head) => ({ ...head, [field]: value }));
	const GARBAGE: [name: string, bytes: ArrayBuffer][] = [
		["nothing at all", new ArrayBuffer(0)],
		["three bytes", new ArrayBuffer(3)],
		["a head of no length", new ArrayBuffer(4)],
		[
			"a head longer than all",
			new Uint8Array([0xff, 0xff, 0xff, 0xff, 1]).buffer,
		],
		["an error page", bytesOf("<html>Bad gateway</html>").buffer],
		["a head that is no JSON", new Uint8Array([0, 0, 0, 1, 0x7b]).buffer],
		["a head that is no text", new Uint8Array([0, 0, 0, 1, 0xff]).buffer],
		["null", new Uint8Array([0, 0, 0, 4, ...bytesOf("null")]).buffer],
		...Object.keys(entryOf())
			.filter((field) => field !== "body")
			.map((field): [string, ArrayBuffer] => [`no ${field}`, without(field)]),
		["a seq that is no number", withField("seq", "7")],
		["half a seq", withField("seq", 7.5)],
		["another status", withField("status", 404)],
		["a status that is none", withField("status", 1_000)],
		["a header in two lines", withField("headers", [["a", "b\r\nc: d"]])],
		["a header of no name", withField("headers", [["a b\n", "c"]])],
		["a header without a value", withField("headers", [["a"]])],
		["headers as an object", withField("headers", { a: "b" })],
		["a reason phrase in two lines", withField("statusText", "O\nK")],
		["a tag in two lines", withField("etag", '"a\n"')],
		["times that are none", withField("filledAt", null)],
	];

	it.each(GARBAGE)("finds no entry in %s", async (_, bytes) => {
		expect(await decoded(bytes)).toBeUndefined();
	});

	it("finds no entry in bytes that are cut off anywhere in the head", async () => {
		const whole = encoded((head) => head);
		const end = 4 + new DataView(whole).getUint32(0);
		const found = await Promise.all(
			Array.from({ length: end }, (_, length) =>
				decoded(whole.slice(0, length)),
			),
		);
		expect(found.filter((entry) => entry !== undefined)).toEqual([]);
	});
});

describe("a store that fails open", () => {
	function around(store: Store, { isLate = false } = {}) {
		const logged: unknown[] = [];
		const slept: number[] = [];
		const clock = { ms: NOW };
		return {
			logged,
			slept,
			clock,
			store: createFailOpenStore({
				store,
				now: () => clock.ms,
				async sleep(ms) {
					slept.push(ms);
					if (isLate) return tick();
					await new Promise(() => {});
				},
				log: (problem) => logged.push(problem),
			}),
		};
	}
	const PROBLEM = new Error("KV GET failed: 500");
	const BROKEN: [name: string, store: Store][] = [
		[
			"rejects",
			{
				get: () => Promise.reject(PROBLEM),
				put: () => Promise.reject(PROBLEM),
			},
		],
		[
			"throws",
			{
				get() {
					throw PROBLEM;
				},
				put() {
					throw PROBLEM;
				},
			},
		],
	];

	it.each(BROKEN)(
		"finds nothing where the store %s, and logs it",
		async (_, broken) => {
			const { store, logged } = around(broken);
			expect([await store.get("n"), logged]).toEqual([undefined, [PROBLEM]]);
		},
	);

	it.each(BROKEN)("fails no request where the store %s", async (_, broken) => {
		const { store, logged } = around(broken);
		await store.put("n", entryOf());
		expect(logged).toEqual([PROBLEM]);
	});

	const silent: Store = {
		get: vi.fn(() => new Promise<never>(() => {})),
		put: () => new Promise<never>(() => {}),
	};

	it("finds nothing after a second of silence, and logs it", async () => {
		const { store, slept, logged } = around(silent, { isLate: true });
		expect([await store.get("n"), slept, logged]).toEqual([
			undefined,
			[1_000],
			[new Error("The store of answers is silent for 1000 ms")],
		]);
	});

	it("is not asked for ten seconds after that", async () => {
		const get = vi.fn(() => new Promise<never>(() => {}));
		const { store, clock } = around({ ...silent, get }, { isLate: true });
		await store.get("a");
		clock.ms += 9_999;
		await store.get("b");
		clock.ms += 1;
		await store.get("c");
		expect(get.mock.calls).toEqual([["a"], ["c"]]);
	});

	it("answers as soon as the store does", async () => {
		const entries = new Map([["n", entryOf()]]);
		const { store } = around(mapStore(entries));
		expect(await store.get("n")).toEqual(entryOf());
	});
});
