// What others can do with Postern's values in Workers KV: take them away, and nothing else.
import fc from "fast-check";
import { base64url } from "jose";
import { describe, expect, it } from "vitest";
import { createSealedValues, type Kv } from "../../src/kv/sealed-values.ts";
import { bytesOf } from "../support/cache.ts";
import { kvOf, type MapNamespace, mapNamespace } from "../support/kv.ts";
import { makeKey } from "../support/tokens.ts";

const KIND = { prefix: "answer6:", purpose: "postern kv entry v1" };
const TEXT = "the secret of ada";

function sealed(namespace: MapNamespace, kv: Partial<Kv> = {}, kind = KIND) {
	const values = createSealedValues(kvOf(namespace, kv), kind);
	return {
		put: (name: string, text: string) => values.put(name, bytesOf(text)),
		async get(name: string) {
			const value = await values.get(name);
			return value && new TextDecoder().decode(value);
		},
	};
}

/** A namespace with the text under "n", its bytes there, and the name that KV knows. */
async function stored(text = TEXT) {
	const namespace = mapNamespace();
	await sealed(namespace).put("n", text);
	return { namespace, ...only(namespace) };
}

function only({ values }: MapNamespace) {
	const [[place, value] = ["", new ArrayBuffer()]] = values;
	return { place, bytes: new Uint8Array(value) };
}

/** The name that KV knows for the name "n" of a kind. */
async function placeOfN(kv: Partial<Kv> = {}, kind = KIND) {
	const namespace = mapNamespace();
	await sealed(namespace, kv, kind).put("n", "");
	return only(namespace).place;
}

const PLACE = await placeOfN();

/** What is found where these bytes lie under "n". */
function found(bytes: Uint8Array<ArrayBuffer>) {
	const namespace = mapNamespace();
	namespace.values.set(PLACE, bytes.slice().buffer);
	return sealed(namespace).get("n");
}

const SECRET = kvOf(mapNamespace()).secret;
const otherSecret = (await makeKey("other")).privateJwk.d ?? "";
const thirdSecret = (await makeKey("third")).privateJwk.d ?? "";

describe("a value", () => {
	it.each(["", "a", TEXT, "x".repeat(100_000)])(
		"is found: %.20s",
		async (text) => {
			const { namespace } = await stored(text);
			expect(await sealed(namespace).get("n")).toBe(text);
		},
	);

	it("is found with the previous secret, and with no older one", async () => {
		const { namespace } = await stored();
		const [first, second, third] = [SECRET, otherSecret, thirdSecret];
		const get = (secret: string, previousSecret?: string) =>
			sealed(namespace, { secret, previousSecret }).get("n");
		expect(await get(second)).toBeUndefined();
		expect(await get(second, first)).toBe(TEXT);
		expect(await get(third, second)).toBeUndefined();
	});

	it("is stored with the current secret alone", async () => {
		const namespace = mapNamespace();
		const rotated = { secret: otherSecret, previousSecret: SECRET };
		await sealed(namespace, rotated).put("n", TEXT);
		expect(await sealed(namespace).get("n")).toBeUndefined();
		expect(await sealed(namespace, rotated).get("n")).toBe(TEXT);
	});

	it("that was changed is not found with the previous secret either", async () => {
		const { namespace, place, bytes } = await stored();
		bytes[20] = (bytes[20] ?? 0) ^ 1;
		namespace.values.set(place, bytes.slice().buffer);
		const rotated = { secret: otherSecret, previousSecret: SECRET };
		expect(await sealed(namespace, rotated).get("n")).toBeUndefined();
	});

	it("cannot be read in KV", async () => {
		const { bytes } = await stored();
		expect(new TextDecoder().decode(bytes)).not.toContain("ada");
	});

	it("has a name in KV that is another for each secret and each kind, and cannot be computed without the secret", async () => {
		const secret = (await makeKey("other")).privateJwk.d ?? "";
		const places = [
			PLACE,
			await placeOfN({ secret }),
			await placeOfN({}, { ...KIND, purpose: "another" }),
		];
		expect(new Set(places).size).toBe(3);
		for (const place of places) expect(place).toMatch(/^answer6:[\w-]{43}$/);
		const digest = new Uint8Array(
			await crypto.subtle.digest("SHA-256", bytesOf("n")),
		);
		const unkeyed = btoa(String.fromCharCode(...digest)).slice(0, 8);
		expect(places.join()).not.toContain(unkeyed);
	});

	it("never looks the same twice", async () => {
		const [one, other] = [await stored(), await stored()];
		expect(one.bytes).not.toEqual(other.bytes);
	});

	it("may be an older one of its name: its reader judges its age", async () => {
		const { namespace, bytes } = await stored("old");
		await sealed(namespace).put("n", "new");
		expect(await found(bytes)).toBe("old");
	});

	it("is found with keys that are derived by RFC 5869 from the secret", async () => {
		const { bytes, place } = await stored();
		const { secret } = kvOf(mapNamespace());
		const base64 = secret.replaceAll("-", "+").replaceAll("_", "/");
		const material = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
		const extracted = await hmac(new Uint8Array(32), material);
		const info = bytesOf(`${KIND.purpose}\x01`);
		const key = await crypto.subtle.importKey(
			"raw",
			await hmac(extracted, info),
			"AES-GCM",
			false,
			["decrypt"],
		);
		const text = await crypto.subtle.decrypt(
			{
				name: "AES-GCM",
				iv: bytes.slice(0, 12),
				additionalData: bytesOf("answer6:n"),
			},
			key,
			bytes.slice(12),
		);
		expect(new TextDecoder().decode(text)).toBe(TEXT);
		const names = await hmac(extracted, bytesOf(`${KIND.purpose} names\x01`));
		const hash = await hmac(names, bytesOf("n"));
		expect(place).toBe(`answer6:${base64url.encode(hash)}`);
	});
});

async function hmac(
	secret: Uint8Array<ArrayBuffer>,
	text: Uint8Array<ArrayBuffer>,
) {
	const key = await crypto.subtle.importKey(
		"raw",
		secret,
		{ name: "HMAC", hash: "SHA-256" },
		false,
		["sign"],
	);
	return new Uint8Array(await crypto.subtle.sign("HMAC", key, text));
}

describe("no value is", () => {
	it("the value of another name", async () => {
		const { namespace } = await stored();
		await sealed(namespace).put("m", "bob's");
		const { values } = namespace;
		const [[n, one], [m, other]] = [...values] as [
			[string, ArrayBuffer],
			[string, ArrayBuffer],
		];
		values.set(n, other);
		values.set(m, one);
		const { get } = sealed(namespace);
		expect([await get("n"), await get("m")]).toEqual([undefined, undefined]);
	});

	it.each([
		["another kind by its prefix", { ...KIND, prefix: "keys1:" }],
		[
			"another kind by its key",
			{ ...KIND, purpose: "postern kv issuer keys v1" },
		],
	])("one of %s", async (_, kind) => {
		const { bytes } = await stored();
		const namespace = mapNamespace();
		namespace.values.set(await placeOfN({}, kind), bytes.slice().buffer);
		expect(await sealed(namespace, {}, kind).get("n")).toBeUndefined();
	});

	it("one of another Postern", async () => {
		const namespace = mapNamespace();
		await sealed(namespace, { secret: otherSecret }).put("n", TEXT);
		expect(await sealed(namespace).get("n")).toBeUndefined();
		expect(await found(only(namespace).bytes)).toBeUndefined();
	});

	it("one with a byte changed, anywhere", async () => {
		const { bytes } = await stored();
		for (const [index, byte] of bytes.entries()) {
			const changed = bytes.slice();
			changed[index] = byte ^ 1;
			expect(await found(changed), `byte ${index}`).toBeUndefined();
		}
	});

	it("one with some bits changed", async () => {
		const { bytes } = await stored("x".repeat(20_000));
		await fc.assert(
			fc.asyncProperty(
				fc.nat(bytes.length - 1),
				fc.integer({ min: 1, max: 255 }),
				async (index, bits) => {
					const changed = bytes.slice();
					changed[index] = (changed[index] ?? 0) ^ bits;
					expect(await found(changed)).toBeUndefined();
				},
			),
		);
	});

	it("one that is cut, anywhere, or longer", async () => {
		const { bytes } = await stored();
		for (let end = 0; end < bytes.length; end++)
			expect(await found(bytes.slice(0, end)), `${end}`).toBeUndefined();
		expect(await found(new Uint8Array([...bytes, 0]))).toBeUndefined();
	});

	it.each([0, 1, 11, 12, 13, 27, 28, 29, 1_000])(
		"%i bytes of text",
		async (length) => {
			expect(await found(new Uint8Array(length).fill(97))).toBeUndefined();
		},
	);
});

describe("the log", () => {
	it("has the first value that cannot be opened, without what is in it", async () => {
		const logged: unknown[] = [];
		const namespace = mapNamespace();
		const { put, get } = sealed(namespace, { log: (one) => logged.push(one) });
		for (const name of ["n", "m"]) await put(name, TEXT);
		for (const place of namespace.values.keys())
			namespace.values.set(place, bytesOf(TEXT).buffer);
		await get("n");
		await get("m");
		await get("missing");
		expect(logged).toEqual([
			new Error(
				`The value of ${PLACE} in KV was written, changed or moved by another party`,
			),
		]);
	});
});
