// Values in Workers KV that only this Postern can read and write: each is encrypted and authenticated together with its name.
// A value that was written, changed or moved by anyone else counts as missing. An older value of the same name is accepted:
// its reader judges its age by what is in it.
import { base64url } from "jose";

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
	put(name: string, value: BufferSource): Promise<void>;
}

/** How long a location may go on reading an old copy. KV allows no less. */
const CACHE_TTL_SECONDS = 30;

/** Longer than any value is good, and as long as one is used while the origin, or an issuer, is down. */
const EXPIRATION_TTL_SECONDS = 86_400;

/** Of AES-GCM. Random ones are safe for 2^32 values under one key (NIST SP 800-38D, section 8.3). */
const IV_BYTES = 12;

export interface Kv {
	namespace: Namespace;
	/** The private scalar of ORIGIN_SIGNING_KEY. Another key finds no value of this one's. */
	secret: string;
	log: (problem: unknown) => void;
}

interface Kind {
	/** Comes before the names. Its number changes with the form of the values. */
	prefix: string;
	/** Gives each kind of value a key of its own: `info` of RFC 5869. */
	purpose: string;
}

export function createSealedValues(
	{ namespace, secret, log }: Kv,
	{ prefix, purpose }: Kind,
): SealedValues {
	let key: CryptoKey | undefined;
	let hasLogged = false;

	return {
		async get(name) {
			const stored = await namespace.get(prefix + name, {
				type: "arrayBuffer",
				cacheTtl: CACHE_TTL_SECONDS,
			});
			if (stored === null) return undefined;
			key ??= await deriveKey(secret, purpose);
			try {
				const iv = new Uint8Array(stored, 0, IV_BYTES);
				const sealed = new Uint8Array(stored, IV_BYTES);
				return await crypto.subtle.decrypt(cipher(name, iv), key, sealed);
			} catch {
				refused(name);
				return undefined;
			}
		},
		async put(name, value) {
			key ??= await deriveKey(secret, purpose);
			const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
			const sealed = await crypto.subtle.encrypt(cipher(name, iv), key, value);
			const bytes = new Uint8Array(IV_BYTES + sealed.byteLength);
			bytes.set(iv);
			bytes.set(new Uint8Array(sealed), IV_BYTES);
			await namespace.put(prefix + name, bytes.buffer, {
				expirationTtl: EXPIRATION_TTL_SECONDS,
			});
		},
	};

	function cipher(name: string, iv: Uint8Array<ArrayBuffer>) {
		const additionalData = new TextEncoder().encode(prefix + name);
		return { name: "AES-GCM", iv, additionalData };
	}

	/** Logs the first of an isolate. After a change of the key there are as many as there are values. */
	function refused(name: string): void {
		if (!hasLogged)
			log(
				new Error(
					`The value of ${prefix}${name} in KV was not written with the current ORIGIN_SIGNING_KEY`,
				),
			);
		hasLogged = true;
	}
}

async function deriveKey(secret: string, purpose: string): Promise<CryptoKey> {
	const bytes = new Uint8Array(base64url.decode(secret));
	const material = await crypto.subtle.importKey("raw", bytes, "HKDF", false, [
		"deriveKey",
	]);
	return crypto.subtle.deriveKey(
		{
			name: "HKDF",
			hash: "SHA-256",
			salt: new Uint8Array(),
			info: new TextEncoder().encode(purpose),
		},
		material,
		{ name: "AES-GCM", length: 256 },
		false,
		["encrypt", "decrypt"],
	);
}
