// What a caller without a valid token sends: every way to be wrong, made for each issuer alike.
import {
	type Algorithm,
	base64,
	base64url,
	bytes,
	encode,
	fromBase64url,
	headerOf,
	makeTestKey,
	pem,
	seal,
	secretKey,
	type TestKey,
	toDer,
	withSignature,
} from "./forging.ts";
import {
	claimsOf,
	ISSUERS,
	nested,
	type TestIssuer,
	tokenOf,
} from "./issuers.ts";
import { NOW_SECONDS } from "./tokens.ts";

const MAX_TOKEN_CHARACTERS = 8_192;

/** What is sent in place of a token, and the refusal that it meets, where that is not `token_rejected`. */
interface Attempt {
	name: string;
	token: () => Promise<string>;
	code?: "token_expired" | "role_refused";
}

/** Keys of the attacker's own, one of each algorithm. */
const ATTACKER: readonly TestKey[] = await Promise.all(
	(["ES256", "ES384", "RS256", "PS256", "EdDSA", "HS256"] as const).map(
		(algorithm: Algorithm) => makeTestKey(algorithm, "attacker-1"),
	),
);
// As many keys as algorithms: the list is not empty.
const [ATTACKER_KEY] = ATTACKER as readonly [TestKey];

/** A key of the attacker's for the issuer's own algorithm. */
function sameKind({ key }: TestIssuer): TestKey {
	return (
		ATTACKER.find(({ algorithm }) => algorithm === key.algorithm) ??
		ATTACKER_KEY
	);
}

const shown = (value: unknown) => JSON.stringify(value) ?? "undefined";

const UNSIGNED = [
	"none",
	"None",
	"NONE",
	"nOnE",
	" none",
	"",
	null,
	0,
	undefined,
];

function unsigned(issuer: TestIssuer): Attempt[] {
	return UNSIGNED.flatMap((alg) => {
		const header = { ...headerOf(issuer.key), alg };
		const input = `${encode(header)}.${encode(claimsOf(issuer))}`;
		return [
			{
				name: `alg ${shown(alg)}, no signature`,
				token: async () => `${input}.`,
			},
			{
				name: `alg ${shown(alg)}, the issuer's signature`,
				token: () => tokenOf(issuer, {}, { alg }),
			},
		];
	});
}

/** Everything registered for JWS and JWE (RFC 7518, RFC 8037, RFC 8812, RFC 9864), and what looks like it. */
const ALGORITHMS = [
	...["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "RS1"],
	...["ES256", "ES384", "ES512", "ES256K", "PS256", "PS384", "PS512"],
	...["EdDSA", "Ed25519", "Ed448", "ML-DSA-44"],
	...["dir", "RSA-OAEP", "A128KW", "ECDH-ES", "PBES2-HS256+A128KW"],
	...[
		"es256",
		"ES256 ",
		"__proto__",
		"constructor",
		["ES256"],
		{ alg: "ES256" },
	],
];

function otherAlgorithms(issuer: TestIssuer): Attempt[] {
	return ALGORITHMS.filter((alg) => alg !== issuer.key.algorithm).map(
		(alg) => ({
			name: `alg ${shown(alg)} over the issuer's signature`,
			token: () => tokenOf(issuer, {}, { alg }),
		}),
	);
}

/** What a verifier that takes the algorithm from the token would use as the secret. */
function confused(issuer: TestIssuer): Attempt[] {
	const { publicJwk, spki, kid } = issuer.key;
	if (publicJwk === undefined) return guessed(issuer);
	const { kid: _, alg: __, ...bare } = publicJwk;
	const armoured = pem(spki);
	const secrets: [string, Uint8Array][] = [
		["PEM", bytes(armoured)],
		["PEM without its last line end", bytes(armoured.trim())],
		["PEM in one line", bytes(armoured.replaceAll("\n", ""))],
		["DER", spki],
		["DER in base64", bytes(base64(spki))],
		["JWK", bytes(JSON.stringify(publicJwk))],
		["JWK, bare", bytes(JSON.stringify(bare))],
		["JWKS", bytes(JSON.stringify({ keys: [publicJwk] }))],
		["x or n", fromBase64url(String(publicJwk.x ?? publicJwk.n))],
		["x or n, as text", bytes(String(publicJwk.x ?? publicJwk.n))],
		["kid", bytes(kid)],
		["a zero", new Uint8Array(1)],
	];
	const hashes = [
		["HS256", "SHA-256"],
		["HS384", "SHA-384"],
		["HS512", "SHA-512"],
	] as const;
	return hashes.flatMap(([alg, hash]) =>
		secrets.map(([name, secret]) => ({
			name: `${alg} with the public key's ${name} for a secret`,
			token: () => tokenOf(issuer, {}, { alg }, secretKey(secret, kid, hash)),
		})),
	);
}

/** Secrets that an attacker would try. */
function guessed(issuer: TestIssuer): Attempt[] {
	const { iss, aud, key } = issuer;
	const texts = ["secret", "\0", iss, aud, key.kid, '""', "undefined", "null"];
	const others = ISSUERS.filter((other) => other.key.spki.length > 0);
	return [
		...texts.map((text): [string, Uint8Array] => [shown(text), bytes(text)]),
		...others.map((other): [string, Uint8Array] => [
			`the public key of ${other.name}`,
			bytes(pem(other.key.spki)),
		]),
	].map(([name, secret]) => ({
		name: `HS256 with ${name} for a secret`,
		token: () => tokenOf(issuer, {}, {}, secretKey(secret, key.kid)),
	}));
}

function wrongKeys(issuer: TestIssuer): Attempt[] {
	const own = sameKind(issuer);
	const kids = [
		"unknown",
		"",
		null,
		1,
		[issuer.key.kid],
		{},
		"__proto__",
		"../../../../dev/null",
		"' or 1=1 --",
		`${issuer.key.kid} `,
		issuer.key.kid.toUpperCase(),
		undefined,
	];
	return [
		...ATTACKER.map((key) => ({
			name: `a ${key.algorithm} key of the attacker's under the issuer's kid`,
			token: () => tokenOf(issuer, {}, { alg: key.algorithm }, key),
		})),
		...kids.map((kid) => ({
			name: `the attacker's key under the kid ${shown(kid)}`,
			token: () => tokenOf(issuer, {}, { kid }, own),
		})),
	];
}

/** Headers that bring a key, or say where one is (RFC 7515, section 4.1). */
function broughtKeys(issuer: TestIssuer): Attempt[] {
	const own = sameKind(issuer);
	const url = "https://attacker.example/keys.json";
	const headers = [
		{ jwk: own.publicJwk ?? { kty: "oct", k: "AAAA" } },
		{ jku: url },
		{ x5u: url },
		{ x5c: [base64(own.spki)] },
		{ x5t: "AAAAAAAAAAAAAAAAAAAAAAAAAAA" },
		{ "x5t#S256": "A".repeat(43) },
		{ jku: url, jwk: own.publicJwk ?? {}, x5u: url },
	];
	return headers.flatMap((header) =>
		[own.kid, issuer.key.kid].map((kid) => ({
			name: `${Object.keys(header)} in the header, kid ${kid}`,
			token: () => tokenOf(issuer, {}, { ...header, kid }, own),
		})),
	);
}

/** RFC 7515, section 4.1.11; RFC 7797. */
function critical(issuer: TestIssuer): Attempt[] {
	const headers: Record<string, unknown>[] = [
		{ crit: ["urn:example:twist"], "urn:example:twist": true },
		{ crit: ["urn:example:twist"] },
		{ crit: ["b64"], b64: false },
		{ crit: ["b64"] },
		{ crit: ["alg"] },
		{ crit: ["exp"], exp: NOW_SECONDS + 60 },
		{ crit: [] },
		{ crit: [""] },
		{ crit: [1] },
		{ crit: "b64", b64: true },
		{ crit: null },
		{ crit: {} },
	];
	return headers.map((header) => ({
		name: `${shown(header)} in the header`,
		token: () => tokenOf(issuer, {}, header),
	}));
}

/** Tokens of this issuer that another one signed, as itself or as this one. */
function crossed(issuer: TestIssuer): Attempt[] {
	return ISSUERS.filter((other) => other !== issuer).flatMap((other) => [
		{
			name: `the signature of ${other.name}`,
			token: () => tokenOf(issuer, {}, headerOf(other.key), other.key),
		},
		{
			name: `the signature of ${other.name} under the issuer's kid`,
			token: () => tokenOf(issuer, {}, { alg: other.key.algorithm }, other.key),
		},
		{
			name: `the signature of ${other.name} under the issuer's header`,
			token: () => tokenOf(issuer, {}, {}, other.key),
		},
		{
			name: `${other.name} for iss`,
			token: () => tokenOf(issuer, { iss: other.iss, aud: other.aud }),
		},
		{
			name: `the aud of ${other.name}`,
			token: () => tokenOf(issuer, { aud: other.aud }),
		},
	]);
}

function wrongClaims(issuer: TestIssuer): Attempt[] {
	const { iss, aud } = issuer;
	const long = NOW_SECONDS - 86_400;
	const past = [long, NOW_SECONDS - 5, 0, -1, -0, -1e300, 0.5];
	const notATime = [
		"2099-01-01",
		`${NOW_SECONDS + 60}`,
		"",
		null,
		true,
		[],
		{},
	];
	const rows: [string, unknown, Attempt["code"]?][] = [
		...past.map((exp): [string, unknown, Attempt["code"]] => [
			"exp",
			exp,
			"token_expired",
		]),
		...[...notATime, undefined, [NOW_SECONDS + 60]].map(
			(exp): [string, unknown] => ["exp", exp],
		),
		...[...notATime, NOW_SECONDS + 6, 1e300].map((nbf): [string, unknown] => [
			"nbf",
			nbf,
		]),
		...notATime.map((iat): [string, unknown] => ["iat", iat]),
		...[
			"someone",
			`${iss}/`,
			`${iss} `,
			iss.toUpperCase(),
			[iss],
			{ [iss]: true },
			"",
			null,
			1,
			undefined,
			"__proto__",
			"constructor",
		].map((value): [string, unknown] => ["iss", value]),
		...[
			"someone",
			`${aud} `,
			aud.slice(0, -1),
			aud.toUpperCase(),
			"*",
			"",
			[],
			["someone"],
			[[aud]],
			{ aud },
			{ 0: aud, length: 1 },
			null,
			true,
			undefined,
			"postgrest",
		].map((value): [string, unknown] => ["aud", value]),
		...[1, 0, null, true, [], ["ada"], {}, { id: "ada" }].map(
			(value): [string, unknown] => ["sub", value],
		),
	];
	return rows.map(([claim, value, code]) => ({
		name: `${claim} ${shown(value)}`,
		token: () => tokenOf(issuer, { [claim]: value }),
		...(code === undefined ? {} : { code }),
	}));
}

const NO_ROLES: unknown[] = [
	...[
		"postern",
		"postgres",
		"authenticator",
		"clerk",
		"public",
		"none",
		"PUBLIC",
	],
	...["pg_read_all_data", "pg_execute_server_program", "supabase_admin"],
	...["service_role", "admin", "root", "*", "anon,authenticated"],
	...["authenticated ", " authenticated", "authenticated\0", "authenticated\n"],
	...["Authenticated", "AUTHENTICATED", '"authenticated"', "authenticated;"],
	// Cyrillic a, dotless i, full width, a combining mark, a zero width space
	...["\u0430uthenticated", "authent\u0131cated", "\uff41uthenticated"],
	...["authenticated\u0301", "authen\u200bticated"],
	...["authenticated'; set role postgres; --", "", "__proto__", "constructor"],
	...["toString", "hasOwnProperty", "length", "0"],
	...[null, true, false, 0, 1, [], ["authenticated"], [["authenticated"]]],
	...[{}, { authenticated: true }, { role: "authenticated" }],
	...[{ toString: "authenticated", valueOf: "authenticated" }, undefined],
];

function escalated(issuer: TestIssuer): Attempt[] {
	const { roleAt, name } = issuer;
	if (roleAt === undefined) return [];
	const [first = ""] = roleAt;
	const roles = name === "remote" ? NO_ROLES : [...NO_ROLES, "service"];
	const claims: Record<string, unknown>[] = [
		...roles.map((role) => nested(roleAt, role) as Record<string, unknown>),
		{ [first]: undefined, Role: "authenticated", roles: ["authenticated"] },
		{ [first]: undefined, [roleAt.join(".")]: roleAt[1] && "authenticated" },
		{ [first]: undefined, constructor: { role: "authenticated" } },
	];
	const attempts: Attempt[] = claims.map((changes) => ({
		name: shown(changes),
		token: () => tokenOf(issuer, changes),
		code: "role_refused",
	}));
	const { [first]: _, ...others } = claimsOf(issuer);
	const start = JSON.stringify(others).slice(0, -1);
	const raw = [
		`"__proto__":${JSON.stringify(nested(roleAt, "authenticated"))}}`,
		`"${first}":${JSON.stringify(roleAt.length > 1 ? { role: "authenticated" } : "authenticated")},"${first}":"postgres"}`,
		`"${first}":{"__proto__":{"role":"authenticated"}}}`,
	];
	return [
		...attempts,
		...raw.map(
			(end): Attempt => ({
				name: end,
				token: () => seal(headerOf(issuer.key), `${start},${end}`, issuer.key),
				code: "role_refused",
			}),
		),
	];
}

/** Tokens that are no JWS of three parts (RFC 7515, section 7.1), or whose parts are no JSON objects. */
function misshapen(issuer: TestIssuer): Attempt[] {
	const header = headerOf(issuer.key);
	const claims = claimsOf(issuer);
	const whole = (change: (parts: string[]) => string[]) => async () =>
		change((await tokenOf(issuer)).split(".")).join(".");
	const shapes: [string, (parts: string[]) => string[]][] = [
		["one part", ([h = ""]) => [h]],
		["two parts", ([h = "", p = ""]) => [h, p]],
		["four parts", (parts) => [...parts, "AAAA"]],
		["four parts, the last empty", (parts) => [...parts, ""]],
		[
			"five parts, as a JWE has",
			([h = "", p = ""]) => [h, "AAAA", "AAAA", p, "AAAA"],
		],
		["its parts twice", (parts) => [...parts, ...parts]],
		["no header", ([, p = "", s = ""]) => ["", p, s]],
		["no payload", ([h = "", , s = ""]) => [h, "", s]],
		["no signature", ([h = "", p = ""]) => [h, p, ""]],
		["its parts in another order", ([h = "", p = "", s = ""]) => [p, h, s]],
		["its payload for a header", ([, p = "", s = ""]) => [p, p, s]],
	];
	const noObjects = [
		"[]",
		'"text"',
		"1",
		"null",
		"true",
		"",
		"{",
		"{} {}",
		"\ufeff{}",
	];
	return [
		...shapes.map(([name, change]) => ({ name, token: whole(change) })),
		...noObjects.flatMap((text) => [
			{
				name: `the payload ${shown(text)}`,
				token: () => seal(header, text, issuer.key),
			},
			{
				name: `the header ${shown(text)}`,
				token: () => seal(text, claims, issuer.key),
			},
		]),
		{
			name: "a payload that is an array with claims",
			token: () => seal(header, [claims], issuer.key),
		},
		{
			name: "JSON in place of base64url",
			token: async () => `${base64url(bytes("{}"))}..${base64url(bytes("{}"))}`,
		},
		{
			name: "a JWE's header",
			token: () => tokenOf(issuer, {}, { enc: "A256GCM", alg: "dir" }),
		},
		{
			name: "a payload nested too deeply to be a token's",
			token: async () =>
				`${encode(header)}.${encode(`${'{"a":'.repeat(900)}1${"}".repeat(900)}`)}.AAAA`,
		},
		{
			name: "a payload nested deeply, in arrays",
			token: async () =>
				`${encode(header)}.${encode(`${"[".repeat(2_900)}${"]".repeat(2_900)}`)}.AAAA`,
		},
		{
			name: "more characters than a token may have",
			token: () =>
				tokenOf(issuer, { padding: "x".repeat(MAX_TOKEN_CHARACTERS) }),
		},
	];
}

function badSignatures(issuer: TestIssuer): Attempt[] {
	const { algorithm } = issuer.key;
	const changes: [string, (signature: Uint8Array) => Uint8Array][] = [
		["zeros", (signature) => signature.map(() => 0)],
		["ones", (signature) => signature.map(() => 255)],
		[
			"1",
			(signature) =>
				signature.map((_, index) => Number(index === signature.length - 1)),
		],
		["one zero", () => new Uint8Array(1)],
		["one byte less", (signature) => signature.slice(0, -1)],
		["its first half", (signature) => signature.slice(0, signature.length / 2)],
		["one byte more", (signature) => Uint8Array.from([...signature, 0])],
		[
			"one byte more in front",
			(signature) => Uint8Array.from([0, ...signature]),
		],
		[
			"itself twice",
			(signature) => Uint8Array.from([...signature, ...signature]),
		],
		["its bytes backwards", (signature) => signature.slice().reverse()],
		[
			"its first bit turned",
			(signature) =>
				Uint8Array.from(signature, (byte, index) =>
					index === 0 ? byte ^ 128 : byte,
				),
		],
		[
			"its last bit turned",
			(signature) =>
				Uint8Array.from(signature, (byte, index) =>
					index === signature.length - 1 ? byte ^ 1 : byte,
				),
		],
	];
	if (algorithm.startsWith("ES")) {
		changes.push(
			["itself in DER", toDer],
			[
				"its halves exchanged",
				(signature) =>
					Uint8Array.from([
						...signature.slice(signature.length / 2),
						...signature.slice(0, signature.length / 2),
					]),
			],
			[
				"r alone, s zero",
				(signature) =>
					signature.map((byte, index) =>
						index < signature.length / 2 ? byte : 0,
					),
			],
			[
				"s alone, r zero",
				(signature) =>
					signature.map((byte, index) =>
						index < signature.length / 2 ? 0 : byte,
					),
			],
		);
	}
	return [
		...changes.map(([name, change]) => ({
			name: `${name} for a signature`,
			token: async () => withSignature(await tokenOf(issuer), change),
		})),
		{
			name: "the signature of another of its tokens",
			async token() {
				const [header, , signature] = (await tokenOf(issuer)).split(".");
				return `${header}.${encode(claimsOf(issuer, { sub: "eve" }))}.${signature}`;
			},
		},
		{
			name: "the payload of another of its tokens",
			async token() {
				const [header, payload] = (await tokenOf(issuer)).split(".");
				const other = await tokenOf(issuer, { sub: "eve" });
				return `${header}.${payload}.${other.split(".")[2]}`;
			},
		},
	];
}

/** Every attempt on this issuer. */
export function attemptsOn(issuer: TestIssuer): Attempt[] {
	return [
		...unsigned(issuer),
		...otherAlgorithms(issuer),
		...confused(issuer),
		...wrongKeys(issuer),
		...broughtKeys(issuer),
		...critical(issuer),
		...crossed(issuer),
		...wrongClaims(issuer),
		...escalated(issuer),
		...misshapen(issuer),
		...badSignatures(issuer),
	];
}
