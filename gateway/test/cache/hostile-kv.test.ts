// An attacker can write the KV namespace. No caller gets another caller's answer by that, nor a changed or outdated one, and the
// attacker cannot pose as a user of an issuer.
import { describe, expect, it } from "vitest";
import { sha256 } from "../../src/cache/entry.ts";
import { createKeyStore } from "../../src/identity/remote-keys.ts";
import { KvStore } from "../../src/kv/kv-store.ts";
import { bytesOf, entryOf, rows, statusOf } from "../support/cache.ts";
import { ADA_TOKEN, refusal, startGateway } from "../support/gateway.ts";
import { kvOf, type MapNamespace, mapNamespace } from "../support/kv.ts";
import { startFeed } from "../support/memory-feed.ts";
import { ADA, makeKey, NOW, NOW_SECONDS, tokenFor } from "../support/tokens.ts";

const BODIES: Record<string, string> = {
	authenticated: '[{"id":1,"body":"ada\'s secret"}]',
	anon: '[{"id":2,"body":"for everybody"}]',
};

/** Isolates of one gateway. `ask` reads as ada or without a token, and says what came from where. */
function startIsolates(kv: MapNamespace) {
	let ms = NOW;
	const now = () => ms++;
	const feed = startFeed({ now });
	return {
		feed,
		pass(forMs: number) {
			ms += forMs;
		},
		isolate(env: Record<string, string> = {}) {
			const background: Promise<unknown>[] = [];
			const { request, logged } = startGateway({
				answer: ({ headers }) => {
					const token = headers.get("authorization") ?? "";
					const { role } = JSON.parse(atob(token.split(".")[1] ?? ""));
					return rows(BODIES[role] ?? null);
				},
				env: { KV_FROM_ASK: "1", ...env },
				now,
				kv,
				feed,
				waitUntil: (promise) => background.push(promise),
			});
			return {
				logged,
				async ask(token?: string) {
					const init = token === undefined ? {} : { token };
					const answer = await request("/rest/v1/notes", init);
					await Promise.all(background);
					return [await answer.text(), statusOf(answer).detail];
				},
			};
		},
	};
}

/** KV with the answers to ada and to an anonymous caller, and the isolates that share it. */
async function filled() {
	const kv = mapNamespace();
	const isolates = startIsolates(kv);
	const { ask } = isolates.isolate();
	await ask(ADA_TOKEN);
	const [ofAda] = [...kv.values.keys()];
	await ask();
	const [ofAnon] = [...kv.values.keys()].filter((name) => name !== ofAda);
	if (ofAda === undefined || ofAnon === undefined)
		throw new Error("not stored");
	return { kv, ...isolates, ofAda, ofAnon };
}

const valueIn = ({ values }: MapNamespace, name: string) =>
	values.get(name) ?? new ArrayBuffer();

describe("an answer in KV", () => {
	it("is given by another isolate", async () => {
		const { isolate } = await filled();
		const { ask } = isolate();
		expect([await ask(ADA_TOKEN), await ask()]).toEqual([
			[BODIES.authenticated, "kv"],
			[BODIES.anon, "kv"],
		]);
	});

	it("shows nothing of the answer", async () => {
		const { kv } = await filled();
		const texts = [...kv.values.values()].map((value) =>
			new TextDecoder().decode(value),
		);
		expect(texts.join()).not.toMatch(
			/secret|notes|postern-token|content-type/i,
		);
	});

	it("is given to no other caller after two were swapped", async () => {
		const { kv, isolate, ofAda, ofAnon } = await filled();
		const [adas, anons] = [valueIn(kv, ofAda), valueIn(kv, ofAnon)];
		kv.values.set(ofAda, anons);
		kv.values.set(ofAnon, adas);
		const { ask } = isolate();
		expect([await ask(), await ask(ADA_TOKEN)]).toEqual([
			[BODIES.anon, undefined],
			[BODIES.authenticated, undefined],
		]);
	});

	it.each<[string, (value: ArrayBuffer) => ArrayBuffer]>([
		["cut by five bytes", (value) => value.slice(0, -5)],
		[
			"changed in one digit",
			(value) => {
				const bytes = new Uint8Array(value.slice());
				bytes.set([(bytes.at(-20) ?? 0) ^ 1], bytes.length - 20);
				return bytes.buffer;
			},
		],
		["written by hand", () => plaintext('[{"id":9}]')],
	])("is not used where it was %s", async (_, change) => {
		const { kv, isolate, ofAnon } = await filled();
		kv.values.set(ofAnon, change(valueIn(kv, ofAnon)));
		expect(await isolate().ask()).toEqual([BODIES.anon, undefined]);
	});

	it("is not found by a Postern with another key", async () => {
		const { isolate } = await filled();
		const key = await makeKey("next");
		const { ask } = isolate({
			ORIGIN_SIGNING_KEY: JSON.stringify(key.privateJwk),
		});
		expect([await ask(), await ask(ADA_TOKEN)]).toEqual([
			[BODIES.anon, undefined],
			[BODIES.authenticated, undefined],
		]);
	});

	it("is logged where it was changed, the first of an isolate", async () => {
		const { kv, isolate, ofAda, ofAnon } = await filled();
		for (const place of [ofAda, ofAnon]) kv.values.set(place, plaintext("[]"));
		const { ask, logged } = isolate();
		await ask();
		await ask(ADA_TOKEN);
		expect(logged.map(String)).toEqual([
			expect.stringContaining("changed or moved by another party"),
		]);
	});

	it("is stale after a change, though it was put back", async () => {
		const { kv, isolate, feed, ofAnon, pass } = await filled();
		const old = valueIn(kv, ofAnon);
		feed.commit("api.notes");
		pass(10_000);
		await isolate().ask();
		kv.values.set(ofAnon, old);
		expect(await isolate().ask()).toEqual([BODIES.anon, undefined]);
	});

	it("is stale in another epoch of the feed", async () => {
		const { isolate, feed, pass } = await filled();
		feed.beginEpoch();
		pass(10_000);
		expect(await isolate().ask()).toEqual([BODIES.anon, undefined]);
	});

	it("is stale an hour before it was filled, by a clock that was ahead", async () => {
		const { isolate, pass } = await filled();
		pass(-3_700_000);
		expect(await isolate().ask()).toEqual([BODIES.anon, undefined]);
	});
});

/** An entry as Postern stored it before it sealed them. */
function plaintext(body: string): ArrayBuffer {
	const head = bytesOf(
		JSON.stringify({
			...{ feedEpoch: "epoch1", seq: 0, tags: ["api.notes", "catalog"] },
			...{ consistencyToken: "0", reader: "", filledAt: NOW, status: 200 },
			...{ statusText: "OK", headers: [], echoed: [], etag: '"x"' },
		}),
	);
	const bytes = new Uint8Array(4 + head.length + body.length);
	new DataView(bytes.buffer).setUint32(0, head.length);
	bytes.set(head, 4);
	bytes.set(bytesOf(body), 4 + head.length);
	return bytes.buffer;
}

describe("an issuer's keys in KV", () => {
	const KEYS_URL = "https://login.example/keys";
	const ISSUERS = JSON.stringify([
		{ issuer: "https://login.example", audience: "notes", jwksUrl: KEYS_URL },
	]);

	it.each(["jwks:", "keys1:"])(
		"are ignored where an attacker wrote them under %s",
		async (prefix) => {
			const [own, forged] = [await makeKey("own"), await makeKey("forged")];
			const kv = mapNamespace();
			const text = JSON.stringify({ keys: [forged.publicJwk] });
			const fetchedAt = NOW + 31_536_000_000;
			const planted = bytesOf(JSON.stringify({ text, fetchedAt })).buffer;
			for (const name of [KEYS_URL, await sha256(bytesOf(KEYS_URL))])
				kv.values.set(prefix + name, planted);
			const { request } = startGateway({
				env: { KV_FROM_ASK: "1", ISSUERS },
				kv,
				fetchKeys: async () => Response.json({ keys: [own.publicJwk] }),
			});
			const exp = NOW_SECONDS + 60;
			const claims = {
				...ADA,
				iss: "https://login.example",
				aud: "notes",
				exp,
			};
			const token = await tokenFor(claims, { key: forged });
			expect(await refusal(await request("/rest/v1/notes", { token }))).toEqual(
				{
					status: 401,
					code: "token_rejected",
				},
			);
		},
	);

	it("are not an answer that was stored under the same name", async () => {
		const kv = mapNamespace();
		await new KvStore(kvOf(kv)).put(KEYS_URL, entryOf());
		const [answer = new ArrayBuffer()] = kv.values.values();
		kv.values.clear();
		const keys = createKeyStore(kvOf(kv));
		await keys.put(KEYS_URL, bytesOf("{}"));
		for (const place of kv.values.keys()) kv.values.set(place, answer);
		expect(await keys.get(KEYS_URL)).toBeUndefined();
	});
});
