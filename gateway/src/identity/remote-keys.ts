// The keys of an issuer that publishes them at a URL (RFC 7517): fetched when needed, and remembered by the isolate and the key
// store. jose's own createRemoteJWKSet shares one fetch between requests, which Workers do not allow.
import type { JSONWebKeySet } from "jose";
import { Refusal } from "../http/refusals.ts";
import {
	createSealedValues,
	type Kv,
	type SealedValues,
} from "../kv/sealed-values.ts";
import { createKeySet, type FindKeys } from "./key-set.ts";

interface RemoteKeysOptions {
	url: URL;
	fetch: (request: Request) => Promise<Response>;
	store: SealedValues | undefined;
	/** The clock, in milliseconds since the epoch. */
	now: () => number;
}

/** Older keys are fetched again, so a key that the issuer revoked is refused within this time. */
const FRESH_MS = 600_000;
/** Tokens that no known key verifies cause at most one fetch in this time. */
const COOL_DOWN_MS = 30_000;
/** Keys are used for this long while the issuer does not answer. */
const USABLE_MS = 86_400_000;
const TIMEOUT_MS = 5_000;
const MAX_CHARACTERS = 262_144;

interface Known {
	readonly fetchedAt: number;
	readonly findKeys: FindKeys;
}

/** Where isolates share the keys that they have fetched. */
export function createKeyStore(kv: Kv): SealedValues {
	return createSealedValues(kv, {
		prefix: "keys1:",
		purpose: "postern kv issuer keys v1",
	});
}

/**
 * Yields the known keys, and where the caller asks for more, those that are new at the issuer: it may have a new key under an
 * old `kid`, or under none.
 * @throws {Refusal} `issuer_unreachable` when no keys can be fetched
 */
export function createRemoteKeys(options: RemoteKeysOptions): FindKeys {
	const { url, fetch, store, now } = options;
	let known: Known | undefined;
	let attemptStartedAt = Number.NEGATIVE_INFINITY;
	let attemptEndedAt = Number.NEGATIVE_INFINITY;

	return async function* findKeys(header) {
		const { findKeys } = await usableKeys();
		yield* findKeys(header);
		const newer = mayAttempt() ? await fetchKeys() : undefined;
		if (newer !== undefined) yield* newer.findKeys(header);
	};

	async function usableKeys(): Promise<Known> {
		if (known === undefined) {
			const recalled = await recall();
			// Another request may have fetched the keys meanwhile.
			known ??= recalled;
		}
		if (known !== undefined && isYounger(known, FRESH_MS)) return known;
		// Without keys every request fetches them. With old keys only one request in a cool-down does.
		const newer =
			known === undefined || mayAttempt() ? await fetchKeys() : undefined;
		if (newer !== undefined) return newer;
		if (known !== undefined && isYounger(known, USABLE_MS)) return known;
		throw new Refusal("issuer_unreachable");
	}

	function mayAttempt(): boolean {
		const isUnderWay =
			attemptStartedAt > attemptEndedAt &&
			now() - attemptStartedAt < TIMEOUT_MS;
		return !isUnderWay && now() - attemptEndedAt >= COOL_DOWN_MS;
	}

	async function fetchKeys(): Promise<Known | undefined> {
		attemptStartedAt = now();
		try {
			const response = await fetch(
				new Request(url, {
					headers: { accept: "application/json, application/jwk-set+json" },
					// A redirect could point anywhere.
					redirect: "manual",
					signal: AbortSignal.timeout(TIMEOUT_MS),
				}),
			);
			if (response.status !== 200) return undefined;
			const text = await response.text();
			if (text.length > MAX_CHARACTERS) return undefined;
			const fetched = parse(text, now());
			known = fetched;
			await remember(text, fetched.fetchedAt);
			return fetched;
		} catch {
			// Where this fails in any way, the known keys remain in use.
			return undefined;
		} finally {
			attemptEndedAt = now();
		}
	}

	async function remember(text: string, fetchedAt: number): Promise<void> {
		try {
			const value = JSON.stringify({ text, fetchedAt });
			await store?.put(url.href, new TextEncoder().encode(value));
		} catch {
			// The isolate remembers the keys anyway.
		}
	}

	async function recall(): Promise<Known | undefined> {
		try {
			const stored = await store?.get(url.href);
			if (stored === undefined) return undefined;
			const { text, fetchedAt } = JSON.parse(new TextDecoder().decode(stored));
			return parse(text, fetchedAt);
		} catch {
			return undefined;
		}
	}

	/** Keys that were fetched in the future, by a clock that was wrong, count as too old. */
	function isYounger({ fetchedAt }: Known, limitMs: number): boolean {
		const ageMs = now() - fetchedAt;
		return ageMs >= 0 && ageMs < limitMs;
	}
}

/** @throws {Error} when the text is not a JWKS */
function parse(text: string, fetchedAt: number): Known {
	const jwks: JSONWebKeySet = JSON.parse(text);
	return { fetchedAt, findKeys: createKeySet(jwks) };
}
