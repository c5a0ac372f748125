// JWTs made by hand, so that any of their parts may be wrong: jose would not sign most of what an attacker sends.

export type Algorithm =
	| "ES256"
	| "ES384"
	| "RS256"
	| "PS256"
	| "EdDSA"
	| "HS256";

/** A key under its id, with which tokens are signed and verified. */
export interface TestKey {
	readonly algorithm: Algorithm;
	readonly kid: string;
	readonly sign: (input: string) => Promise<Uint8Array>;
	/** RFC 7517, with `kid` and `alg`; `undefined` for a secret. */
	readonly publicJwk: Record<string, unknown> | undefined;
	/** The public key in DER; empty for a secret. */
	readonly spki: Uint8Array;
}

const RSA = {
	modulusLength: 2048,
	publicExponent: new Uint8Array([1, 0, 1]),
	hash: "SHA-256",
};

/** How WebCrypto makes a key pair for an algorithm of RFC 7518, and signs with it. */
const KEY_PAIRS = {
	ES256: [
		{ name: "ECDSA", namedCurve: "P-256" },
		{ name: "ECDSA", hash: "SHA-256" },
	],
	ES384: [
		{ name: "ECDSA", namedCurve: "P-384" },
		{ name: "ECDSA", hash: "SHA-384" },
	],
	RS256: [{ name: "RSASSA-PKCS1-v1_5", ...RSA }, { name: "RSASSA-PKCS1-v1_5" }],
	PS256: [
		{ name: "RSA-PSS", ...RSA },
		{ name: "RSA-PSS", saltLength: 32 },
	],
	EdDSA: [{ name: "Ed25519" }, { name: "Ed25519" }],
} as const;

/** Makes a key of its own for the algorithm; for HS256 of the secret, or a random one. */
export async function makeTestKey(
	algorithm: Algorithm,
	kid: string,
	secret: Uint8Array = crypto.getRandomValues(new Uint8Array(32)),
): Promise<TestKey> {
	if (algorithm === "HS256") return secretKey(secret, kid);
	const [making, signing] = KEY_PAIRS[algorithm];
	// Asymmetric algorithms make pairs; WebCrypto's types do not tell.
	const { privateKey, publicKey } = (await crypto.subtle.generateKey(
		making,
		true,
		["sign", "verify"],
	)) as CryptoKeyPair;
	const jwk = (await crypto.subtle.exportKey("jwk", publicKey)) as JsonWebKey;
	const { key_ops: _, ext: __, ...publicJwk } = jwk;
	const spki = await crypto.subtle.exportKey("spki", publicKey);
	return {
		algorithm,
		kid,
		sign: async (input) =>
			new Uint8Array(
				await crypto.subtle.sign(signing, privateKey, bytes(input)),
			),
		publicJwk: { ...publicJwk, kid, alg: algorithm },
		spki: new Uint8Array(spki as ArrayBuffer),
	};
}

/** Signs with HMAC. @param hash of HS256, HS384 or HS512 */
export function secretKey(
	secret: Uint8Array,
	kid: string,
	hash = "SHA-256",
): TestKey {
	return {
		algorithm: "HS256",
		kid,
		async sign(input) {
			const key = await crypto.subtle.importKey(
				"raw",
				secret,
				{ name: "HMAC", hash },
				false,
				["sign"],
			);
			return new Uint8Array(
				await crypto.subtle.sign("HMAC", key, bytes(input)),
			);
		},
		publicJwk: undefined,
		spki: new Uint8Array(),
	};
}

/** A JWT of this header and payload; texts stand as they are, so that they need not be JSON. */
export async function seal(
	header: object | string,
	payload: object | string,
	key: TestKey,
): Promise<string> {
	const input = `${encode(header)}.${encode(payload)}`;
	return `${input}.${base64url(await key.sign(input))}`;
}

/** The header that a token of this key has. */
export function headerOf({ algorithm, kid }: TestKey) {
	return { alg: algorithm, kid, typ: "JWT" };
}

export function encode(part: object | string): string {
	return base64url(
		bytes(typeof part === "string" ? part : JSON.stringify(part)),
	);
}

export function base64url(content: Uint8Array): string {
	return base64(content)
		.replaceAll("+", "-")
		.replaceAll("/", "_")
		.replaceAll("=", "");
}

export function base64(content: Uint8Array): string {
	return btoa(String.fromCharCode(...content));
}

export function fromBase64url(text: string): Uint8Array {
	const standard = text.replaceAll("-", "+").replaceAll("_", "/");
	return Uint8Array.from(atob(standard), (character) =>
		character.charCodeAt(0),
	);
}

/** RFC 7468. */
export function pem(der: Uint8Array): string {
	const lines = base64(der).match(/.{1,64}/g) ?? [];
	return `-----BEGIN PUBLIC KEY-----\n${lines.join("\n")}\n-----END PUBLIC KEY-----\n`;
}

/** An ECDSA signature as ASN.1 (RFC 3279) has it, where JWS has the two numbers alone (RFC 7518, section 3.4). */
export function toDer(signature: Uint8Array): Uint8Array {
	const half = signature.length / 2;
	const numbers = [signature.slice(0, half), signature.slice(half)].flatMap(
		(number) => {
			const sign = (number[0] ?? 0) > 127 ? [0] : [];
			return [2, number.length + sign.length, ...sign, ...number];
		},
	);
	return Uint8Array.from([0x30, numbers.length, ...numbers]);
}

/** Order of P-256. */
const ORDER =
	0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The other ES256 signature that the same key verifies for the same input: (r, n - s). */
export function mirrored(signature: Uint8Array): Uint8Array {
	const hex = [...signature.slice(32)]
		.map((byte) => byte.toString(16).padStart(2, "0"))
		.join("");
	const mirror = (ORDER - BigInt(`0x${hex}`)).toString(16).padStart(64, "0");
	const s = (mirror.match(/../g) ?? []).map((pair) =>
		Number.parseInt(pair, 16),
	);
	return Uint8Array.from([...signature.slice(0, 32), ...s]);
}

/** Replaces the signature of a token. */
export function withSignature(
	token: string,
	change: (signature: Uint8Array) => Uint8Array,
): string {
	const [header, payload, signature = ""] = token.split(".");
	return `${header}.${payload}.${base64url(change(fromBase64url(signature)))}`;
}

export function bytes(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}
