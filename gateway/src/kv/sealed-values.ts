// Values in Workers KV that only this Postern can read and write: each is encrypted and authenticated together with its name.
// A value that was written, changed or moved by anyone else counts as missing. An older value of the same name is accepted:
// its reader judges its age by what is in it. Names are hashed with a key, so that a list of them confirms no guess.
import { base64url, type CryptoKey } from "jose";

/** The part of KVNamespace that is used. */
export interface Namespace {
	get(
		name: string,
		options: { type: "arrayBuffer"; cacheTtl: number },
	): Promise<ArrayBuffer | null>;
	put(
		name: string,
		value: ArrayBuffer,
		options: { expirationTtl: number },
	): Promise<void>;
}

export interface SealedValues {
	get(name: string): Promise<ArrayBuffer | undefined>;
	put(name: string, value: ArrayBuffer | ArrayBufferView): Promise<void>;
}

/** How long a location may go on reading an old copy. KV allows no less. */
const CACHE_TTL_SECONDS = 30;

/** Longer than any value is good, and as long as one is used while the origin, or an issuer, is down. */
const EXPIRATION_TTL_SECONDS = 86_400;

/** Of AES-GCM. Random ones are safe for 2^32 values under one key (NIST SP 800-38D, section 8.3). */
const IV_BYTES = 12;

export interface Kv {
	namespace: Namespace;
	/** The private scalar of ORIGIN_SIGNING_KEY. Values are stored with it, and found with it alone or with the previous one. */
	secret: string;
	/** That of PREVIOUS_ORIGIN_SIGNING_KEY: values that were stored with it are still read. */
	previousSecret?: string | undefined;
	log: (problem: unknown) => void;
}

interface Kind {
	/** Comes before the names. Its number changes with the form of the values. */
	prefix: string;
	/** Gives each kind of value a key of its own: `info` of RFC 5869. */
	purpose: string;
}

export function createSealedValues(
	{ namespace, secret, previousSecret, log }: Kv,
	{ prefix, purpose }: Kind,
): SealedValues {
	let current: Keys | undefined;
	let previous: Keys | undefined;
	let hasLogged = false;

	return {
		async get(name) {
			current ??= await deriveKeys(secret, purpose);
			const value = await open(name, current);
			if (value !== undefined || previousSecret === undefined) return value;
			previous ??= await deriveKeys(previousSecret, purpose);
			return open(name, previous);
		},
		async put(name, value) {
			current ??= await deriveKeys(secret, purpose);
			const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
			const sealed = await crypto.subtle.encrypt(
				cipher(name, iv),
				current.values,
				value,
			);
			const bytes = new Uint8Array(IV_BYTES + sealed.byteLength);
			bytes.set(iv);
			bytes.set(new Uint8Array(sealed), IV_BYTES);
			await namespace.put(await placeOf(name, current), bytes.buffer, {
				expirationTtl: EXPIRATION_TTL_SECONDS,
			});
		},
	};

	async function open(
		name: string,
		keys: Keys,
	): Promise<ArrayBuffer | undefined> {
		const place = await placeOf(name, keys);
		const stored = await namespace.get(place, {
			type: "arrayBuffer",
			cacheTtl: CACHE_TTL_SECONDS,
		});
		if (stored === null) return undefined;
		try {
			const iv = new Uint8Array(stored, 0, IV_BYTES);
			const sealed = new Uint8Array(stored, IV_BYTES);
			return await crypto.subtle.decrypt(cipher(name, iv), keys.values, sealed);
		} catch {
			refused(place);
			return undefined;
		}
	}

	function cipher(name: string, iv: Uint8Array<ArrayBuffer>) {
		const additionalData = new TextEncoder().encode(prefix + name);
		return { name: "AES-GCM", iv, additionalData };
	}

	/** Where the value of a name lies in KV. */
	async function placeOf(name: string, { names }: Keys): Promise<string> {
		const text = new TextEncoder().encode(name);
		const hash = await crypto.subtle.sign("HMAC", names, text);
		return prefix + base64url.encode(new Uint8Array(hash));
	}

	/** Logs the first of an isolate. */
	function refused(place: string): void {
		if (!hasLogged)
			log(
				new Error(
					`The value of ${place} in KV was written, changed or moved by another party`,
				),
			);
		hasLogged = true;
	}
}

interface Keys {
	/** Encrypts and authenticates values. */
	values: CryptoKey;
	/** Hashes names. */
	names: CryptoKey;
}

async function deriveKeys(secret: string, purpose: string): Promise<Keys> {
	const bytes = new Uint8Array(base64url.decode(secret));
	const material = await crypto.subtle.importKey("raw", bytes, "HKDF", false, [
		"deriveKey",
	]);
	const derive = (
		info: string,
		type: Parameters<typeof crypto.subtle.deriveKey>[2],
		usages: Parameters<typeof crypto.subtle.deriveKey>[4],
	) =>
		crypto.subtle.deriveKey(
			{
				name: "HKDF",
				hash: "SHA-256",
				salt: new Uint8Array(),
				info: new TextEncoder().encode(info),
			},
			material,
			type,
			false,
			usages,
		);
	return {
		values: await derive(purpose, { name: "AES-GCM", length: 256 }, [
			"encrypt",
			"decrypt",
		]),
		names: await derive(
			`${purpose} names`,
			{ name: "HMAC", hash: "SHA-256", length: 256 },
			["sign"],
		),
	};
}
